"""What the back end has and no row asks for: removed, and written down as removed.

`reconcile` finds it, the worker removes it, since whole folders may have to go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from sessions.backends import get_backend
from sessions.models import Project, Removal, Removed, Session

ONCE = timedelta(hours=1)
"""A back end may go on telling of a thing for a while after it was told to remove it."""
AT_ONCE = 500


def unwanted(names: Collection[str]) -> Iterator[str]:
    """Those of the projects in the back end that were deleted or never had a row."""
    ordered = sorted(names)
    for place in range(0, len(ordered), AT_ONCE):
        some = ordered[place : place + AT_ONCE]
        wanted = _wanted(some)
        yield from (name for name in some if name not in wanted)


def drop_project(name: str) -> None:
    """Have the back end drop what it keeps of a project, unless that is wanted after all."""
    if _wanted([name]):
        return
    get_backend().remove_project(name)
    if not Project.objects.filter(name=name).exists():
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


def _wanted(names: Sequence[str]) -> set[str]:
    """Existing projects, and deleted ones whose notebook is not gone yet."""
    existing = Project.objects.existing().filter(name__in=names).values_list("name", flat=True)
    live = Session.objects.live().filter(project__name__in=names)
    return {*existing, *live.values_list("project__name", flat=True)}
