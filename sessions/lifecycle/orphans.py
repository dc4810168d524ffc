"""Deal with what the back end has and no row knows: end what runs, set aside what is stored.

`sessions.watch.reconcile` finds it in the lists that it has just read; the worker does what takes
time. Nothing is done unless database and place belong together (`sessions.installation`), nor when
so much is unknown that the database itself is in doubt. Environments can be built again from their
repositories, so an unknown one is removed by the same rules (`sessions.retention.images`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from sessions.backends import BuildReport, ServerReport, get_backend
from sessions.installation import ownership
from sessions.installation import set_aside as asides
from sessions.installation.known import Verdict, having, is_too_much
from sessions.models import Build, Condition, Project, Removal, Removed, Session, SetAside
from sessions.outages import guarded

from .queue import Again, enqueue

PART = "leftovers"
"""The name of the `Condition` that says when nothing unknown is touched."""
MUCH_UNKNOWN = "much of what is there is unknown to the database"
ONCE = timedelta(hours=1)
"""The time in which a removal is noted only once: a back end may go on reporting a thing for a
while after it was told to remove it.
"""
AT_ONCE = 500

log = logging.getLogger(__name__)


def clear(
    builds: Sequence[BuildReport], servers: Sequence[ServerReport], verdict: Verdict, again: Again
) -> None:
    """Deal with everything in these lists, and in the list of projects, that has no row.

    The lists must be fresh and complete.
    """
    if verdict == Verdict.FITS:
        names = get_backend().projects()
        unknown = set(names) - having(Project.objects.all(), "name", names)
        for name in unwanted(set(names) - unknown):
            again("drop_project", name)
        may_end = _end(builds, servers)
        may_go = not is_too_much(len(unknown), len(names))
        for name in sorted(unknown - {server.name for server in servers}) if may_go else ():
            again("set_aside", name)
        _note(may_go and may_end)
        _look_after_asides(again, may_remove=may_go and may_end)
        again("sweep")


def _end(builds: Sequence[BuildReport], servers: Sequence[ServerReport]) -> bool:
    """End builds and servers without a row, unless there are too many of them."""
    lost_builds, lost_servers = _unknown_builds(builds), _unknown_servers(servers)
    unknown, there = len(lost_builds) + len(lost_servers), len(builds) + len(servers)
    if is_too_much(unknown, there):
        return False
    for build in lost_builds:
        guarded(_end_build, build)
    for server in lost_servers:
        guarded(_end_server, server)
    return True


def _look_after_asides(again: Again, *, may_remove: bool) -> None:
    asides.compare()
    for pk in asides.wanted():
        again("put_back", pk)
    for pk in asides.unweighed():
        again("weigh_aside", pk)
    for pk in asides.due() if may_remove else ():
        again("remove_aside", pk)


def unwanted(names: Collection[str]) -> Iterator[str]:
    """Yield the back end's projects that nobody can restore or that never had a row."""
    ordered = sorted(names)
    for place in range(0, len(ordered), AT_ONCE):
        some = ordered[place : place + AT_ONCE]
        wanted = _wanted(some)
        yield from (name for name in some if name not in wanted)


def drop_project(name: str) -> None:
    """Have the back end drop what it keeps of a deleted project, unless it is wanted after all.

    A project that never had a row is not dropped.
    """
    rows = Project.objects.filter(name=name)
    project = rows.first()
    if project is None or _wanted([name]):
        return
    if get_backend().remove_project(name, project.files_volume):
        rows.dropped()


def set_aside(name: str) -> None:
    """Have the back end set aside what it keeps of a project that has no row."""
    if not Project.objects.filter(name=name).exists() and ownership.are_one():
        get_backend().set_aside(name)
        asides.compare()


def put_back(row: SetAside) -> None:
    """Have the worker give a project its folder back.

    Raises `StateConflict` if no project of this name exists.
    """
    asides.require_project(row)
    enqueue("put_back", row.pk)


def remove_now(row: SetAside) -> None:
    """Have the worker remove this folder that was set aside, without waiting for its date."""
    enqueue("remove_aside", row.pk, 1)


def sweep() -> None:
    """Have the back end drop unfinished work whose process was killed."""
    for name in get_backend().sweep():
        note(name, _("Nobody worked on it any more: who did was killed."))


def note(name: str, why: str) -> None:
    """Record, once, that this was removed."""
    same = Removal.objects.filter(kind=Removed.LEFTOVER, name=name[:255])
    if not same.filter(at__gt=timezone.now() - ONCE).exists():
        Removal.objects.create(kind=Removed.LEFTOVER, name=name[:255], why=why)


def _unknown_builds(builds: Sequence[BuildReport]) -> list[BuildReport]:
    ours = {report.id: report for report in builds if report.marked}
    known = having(Build.objects.all(), "pk", ours.keys())
    return [report for number, report in ours.items() if number not in known]


def _unknown_servers(servers: Sequence[ServerReport]) -> list[ServerReport]:
    ours = {report.id: report for report in servers if report.marked}
    known = having(Session.objects.all(), "pk", ours.keys())
    return [report for number, report in ours.items() if number not in known]


def _end_build(report: BuildReport) -> None:
    """End a build in two passes: cancel it first, forget it when it has finished."""
    if not report.finished:
        get_backend().cancel_build(report.id)
        return
    get_backend().forget_build(report.id)
    note(f"build {report.id}", _("A build that the portal does not know."))


def _end_server(report: ServerReport) -> None:
    if report.state != "gone":
        get_backend().remove_server(report.id)
        return
    get_backend().forget_server(report.id)
    name = report.name or f"session {report.id}"
    note(name, _("A notebook that the portal does not know."))


def _note(is_well: bool) -> None:
    """Log the problem once; show it in health and on staff's pages for as long as it lasts."""
    noted = Condition.objects.filter(part=PART).first()
    if not is_well and not (noted and noted.problem):
        log.error("nothing unknown is touched: %s", MUCH_UNKNOWN)
    if noted or not is_well:
        Condition.objects.note(PART, "" if is_well else MUCH_UNKNOWN)


def _wanted(names: Sequence[str]) -> set[str]:
    """Return projects that exist, that are set aside, or whose notebook is not gone yet."""
    kept = Project.objects.kept().filter(name__in=names).values_list("name", flat=True)
    live = Session.objects.live().filter(project__name__in=names)
    return {*kept, *live.values_list("project__name", flat=True)}
