"""What the back end has and no row asks for: removed, and written down as removed.

`reconcile` finds it, the worker removes it, since whole folders may have to go.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from sessions.backends import get_backend
from sessions.models import Build, Condition, Project, Removal, Removed, Session

PART = "leftovers"
"""Names the `Condition` that tells when nothing unknown is removed."""
MOSTLY_UNKNOWN = "most of what is there is unknown to the database"
ONCE = timedelta(hours=1)
"""A back end may go on telling of a thing for a while after it was told to remove it."""
AT_ONCE = 500

log = logging.getLogger(__name__)


def may_go() -> bool:
    """Return whether what has no row may be removed: at least half of what is there has one.

    A database that is empty, the wrong one or older than what the back end keeps knows little of
    it. Then nothing is removed; the log says so once, health and staff's pages as long as it lasts.
    """
    backend = get_backend()
    names = {*backend.projects(), *(server.name for server in backend.servers() if server.name)}
    images = {image.name for image in backend.images()}
    there = len(names) + len(images)
    known = _count(Project, "name", names) + _count(Build, "image", images)
    problem = "" if 2 * known >= there else MOSTLY_UNKNOWN
    noted = Condition.objects.filter(part=PART).first()
    if problem and not (noted and noted.problem):
        log.error("nothing unknown is removed: %d of %d things are known", known, there)
    if problem or noted:
        Condition.objects.note(PART, problem)
    return not problem


def unwanted(names: Collection[str]) -> Iterator[str]:
    """Those of the projects in the back end that nobody can restore or that never had a row."""
    ordered = sorted(names)
    for place in range(0, len(ordered), AT_ONCE):
        some = ordered[place : place + AT_ONCE]
        wanted = _wanted(some)
        yield from (name for name in some if name not in wanted)


def drop_project(name: str) -> None:
    """Have the back end drop what it keeps of a project, unless that is wanted after all."""
    if _wanted([name]):
        return
    rows = Project.objects.filter(name=name)
    project = rows.first()
    if project is None and not may_go():
        return
    if get_backend().remove_project(name, project.files_volume if project else ""):
        rows.dropped()
    if project is None:
        note(name, _("The back end kept something of a project that the portal does not know."))


def sweep() -> None:
    """Have the back end drop what was left half made."""
    for name in get_backend().sweep():
        note(name, _("Nobody worked on it any more: who did was killed."))


def note(name: str, why: str) -> None:
    """Write down, once, that this was removed."""
    same = Removal.objects.filter(kind=Removed.LEFTOVER, name=name[:255])
    if not same.filter(at__gt=timezone.now() - ONCE).exists():
        Removal.objects.create(kind=Removed.LEFTOVER, name=name[:255], why=why)


def _count(model: type[Project | Build], field: str, values: Collection[str]) -> int:
    """Return how many of the values stand in that column."""
    ordered = sorted(values)
    some = (ordered[place : place + AT_ONCE] for place in range(0, len(ordered), AT_ONCE))
    rows = (model._default_manager.filter(**{f"{field}__in": each}) for each in some)
    return sum(each.values(field).distinct().count() for each in rows)


def _wanted(names: Sequence[str]) -> set[str]:
    """Existing projects, those that are set aside, and those whose notebook is not gone yet."""
    kept = Project.objects.kept().filter(name__in=names).values_list("name", flat=True)
    live = Session.objects.live().filter(project__name__in=names)
    return {*kept, *live.values_list("project__name", flat=True)}
