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
from sessions.installation.known import OwnershipStatus, existing_values, has_too_many_unknown
from sessions.models import Build, Condition, Project, Removal, RemovalKind, Session, SetAside
from sessions.outages import run_safely

from .queue import Requeue, enqueue

PART = "leftovers"
"""The name of the `Condition` that says when unknown things are left alone."""
MUCH_UNKNOWN = "much of what is there is unknown to the database"
DUPLICATE_WINDOW = timedelta(hours=1)
"""How long a removal is recorded only once: a back end may keep reporting a thing for a while after
it was told to remove it.
"""
BATCH_SIZE = 500

log = logging.getLogger(__name__)


def clear_orphans(
    builds: Sequence[BuildReport],
    servers: Sequence[ServerReport],
    status: OwnershipStatus,
    requeue: Requeue,
) -> None:
    """Deal with everything in these lists, and in the list of projects, that has no row.

    The lists must be fresh and complete.
    """
    if status == OwnershipStatus.MATCHES:
        names = get_backend().projects()
        unknown = set(names) - existing_values(Project.objects.all(), "name", names)
        for name in droppable(set(names) - unknown):
            requeue("drop_project", name)
        may_end = _end(builds, servers)
        may_go = not has_too_many_unknown(len(unknown), len(names))
        for name in sorted(unknown - {server.name for server in servers}) if may_go else ():
            requeue("set_aside", name)
        _record_condition(may_go and may_end)
        _requeue_set_aside(requeue, may_remove=may_go and may_end)
        requeue("sweep")


def _end(builds: Sequence[BuildReport], servers: Sequence[ServerReport]) -> bool:
    """End builds and servers without a row, unless there are too many of them."""
    lost_builds, lost_servers = _unknown_builds(builds), _unknown_servers(servers)
    unknown, there = len(lost_builds) + len(lost_servers), len(builds) + len(servers)
    if has_too_many_unknown(unknown, there):
        return False
    for build in lost_builds:
        run_safely(_end_build, build)
    for server in lost_servers:
        run_safely(_end_server, server)
    return True


def _requeue_set_aside(requeue: Requeue, *, may_remove: bool) -> None:
    asides.sync_rows()
    for pk in asides.reclaimed():
        requeue("put_back", pk)
    for pk in asides.unmeasured():
        requeue("weigh_aside", pk)
    for pk in asides.expired() if may_remove else ():
        requeue("remove_aside", pk)


def droppable(names: Collection[str]) -> Iterator[str]:
    """Yield the back end's projects that nobody can restore or that never had a row."""
    ordered = sorted(names)
    for place in range(0, len(ordered), BATCH_SIZE):
        some = ordered[place : place + BATCH_SIZE]
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
        rows.mark_removed()


def set_aside(name: str) -> None:
    """Have the back end set aside what it keeps of the project ``name``, if that has no row.

    Raises the back end's `TemporaryError`.
    """
    if not Project.objects.filter(name=name).exists() and ownership.ids_match():
        get_backend().set_aside(name)
        asides.sync_rows()


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
        record_removal(name, _("Orphaned: its process was killed."))


def record_removal(name: str, why: str) -> None:
    """Record, once, that this was removed."""
    same = Removal.objects.filter(kind=RemovalKind.LEFTOVER, name=name[:255])
    if not same.filter(at__gt=timezone.now() - DUPLICATE_WINDOW).exists():
        Removal.objects.create(kind=RemovalKind.LEFTOVER, name=name[:255], why=why)


def _unknown_builds(builds: Sequence[BuildReport]) -> list[BuildReport]:
    ours = {report.id: report for report in builds if report.has_installation_id}
    known = existing_values(Build.objects.all(), "pk", ours.keys())
    return [report for number, report in ours.items() if number not in known]


def _unknown_servers(servers: Sequence[ServerReport]) -> list[ServerReport]:
    ours = {report.id: report for report in servers if report.has_installation_id}
    known = existing_values(Session.objects.all(), "pk", ours.keys())
    return [report for number, report in ours.items() if number not in known]


def _end_build(report: BuildReport) -> None:
    """End a build in two passes: cancel it first, forget it when it has finished."""
    if not report.finished:
        get_backend().cancel_build(report.id)
        return
    get_backend().forget_build(report.id)
    record_removal(f"build {report.id}", _("This build was unknown to the portal."))


def _end_server(report: ServerReport) -> None:
    if report.state != "gone":
        get_backend().remove_server(report.id)
        return
    get_backend().forget_server(report.id)
    name = report.name or f"session {report.id}"
    record_removal(name, _("This notebook was unknown to the portal."))


def _record_condition(is_well: bool) -> None:
    """Log the problem once; show it in health and on staff's pages for as long as it lasts."""
    noted = Condition.objects.filter(part=PART).first()
    if not is_well and not (noted and noted.problem):
        log.error("leaving everything unknown alone: %s", MUCH_UNKNOWN)
    if noted or not is_well:
        Condition.objects.record(PART, "" if is_well else MUCH_UNKNOWN)


def _wanted(names: Sequence[str]) -> set[str]:
    """Return projects that exist, that are set aside, or whose notebook is not gone yet."""
    kept = Project.objects.kept().filter(name__in=names).values_list("name", flat=True)
    live = Session.objects.live().filter(project__name__in=names)
    return {*kept, *live.values_list("project__name", flat=True)}
