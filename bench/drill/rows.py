"""Check that rows, back end and logs of a portal at rest fit together; runs inside the portal.

    python -m bench.drill.rows

Prints what does not fit, which sessions live, and the seconds of each launch until it was ready.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import django

from bench.drill.repositories import TICKS

FORGOTTEN = timedelta(seconds=30)
_TICK = re.compile(r"^tick (\d+)$", re.MULTILINE)


def main() -> None:
    """Print the results as JSON."""
    django.setup()
    from sessions.models import Session  # noqa: PLC0415 -- only there once Django is set up

    ready = Session.objects.filter(ready__isnull=False).order_by("pk")
    about = {
        "wrong": [*_sessions(), *_backend(), *_events(), *_logs(), *_transitions(), *_queue()],
        "live": list(Session.objects.live().values_list("pk", flat=True)),
        "seconds": [(each.ready - each.created).total_seconds() for each in ready if each.ready],
    }
    print(json.dumps(about))


def _sessions() -> Iterator[str]:
    """Check that live sessions run and belong to existing projects, and that builds have ended."""
    from sessions.models import Build, Project, Session  # noqa: PLC0415

    for session in Session.objects.live().select_related("project__current"):
        if session.state != "ready":
            yield f"session {session.pk} is {session.state} and stays it"
        if session.project.removed:
            yield f"session {session.pk} lives and its project {session.project} is deleted"
        if session.project.current != session:
            yield f"session {session.pk} lives beside the current one of {session.project}"
    for build in Build.objects.active():
        yield f"build {build.pk} is {build.state} and stays it"
    for name in Project.objects.existing().filter(current=None).values_list("name", flat=True):
        yield f"project {name} has no session"


def _backend() -> Iterator[str]:
    """Check that the back end has exactly what the rows say."""
    from sessions.backends import get_backend  # noqa: PLC0415
    from sessions.models import Project, Session  # noqa: PLC0415

    live = set(Session.objects.live().values_list("pk", flat=True))
    servers = {report.id: report.state for report in get_backend().servers()}
    for pk in live - servers.keys():
        yield f"session {pk} lives and has no server"
    for pk in servers.keys() - live:
        yield f"server {pk} ({servers[pk]}) has no session that lives"
    for report in get_backend().builds():
        yield f"the back end still has build {report.id}"
    kept = Project.objects.kept().values_list("name", flat=True)
    for name in set(get_backend().projects()) - set(kept):
        yield f"the back end still has the deleted project {name}"


def _events() -> Iterator[str]:
    """Check that events are numbered without a gap."""
    from sessions.models import Project  # noqa: PLC0415

    for project in Project.objects.prefetch_related("events"):
        numbers = [event.seq for event in project.events.all()]
        if numbers != list(range(1, project.events_written + 1)):
            yield f"events of {project} are {numbers}, of {project.events_written}"


def _logs() -> Iterator[str]:
    """Check that log pieces have no gap and that each printed line is there once."""
    from sessions.models import Build  # noqa: PLC0415

    for build in Build.objects.prefetch_related("log"):
        pieces = sorted(build.log.all(), key=lambda piece: piece.seq)
        if [piece.seq for piece in pieces] != list(range(1, build.chunks + 1)):
            yield f"pieces of the log of build {build.pk} are missing"
        ticks = [int(tick) for tick in _TICK.findall("\n".join(piece.text for piece in pieces))]
        all_of_it = "slow" in build.url and build.state == "built"
        if ticks != list(range(1, (TICKS if all_of_it else len(ticks)) + 1)):
            yield f"build {build.pk} ({build.state}) has the lines {ticks}"


def _transitions() -> Iterator[str]:
    """Check that each change of a state begins where the one before ended."""
    from sessions.models import Build, Session, Transition  # noqa: PLC0415

    last: dict[Any, str] = {}
    for change in Transition.objects.order_by("pk"):
        thing = (change.session_id, change.build_id)
        if last.get(thing, change.before) != change.before:
            yield f"{thing} went on from {change.before} after {last[thing]}"
        last[thing] = change.after
    states: dict[Any, str] = {}
    states |= {(pk, None): state for pk, state in Session.objects.values_list("pk", "state")}
    states |= {(None, pk): state for pk, state in Build.objects.values_list("pk", "state")}
    for thing, state in last.items():
        if states.get(thing) != state:
            yield f"{thing} is {states.get(thing)}, and was last made {state}"


def _queue() -> Iterator[str]:
    """Check that no task waits for long.

    A task of a killed worker is delivered again after the queue's own timeout; by then its work has
    been done otherwise.
    """
    from django.utils import timezone  # noqa: PLC0415
    from django_q.models import OrmQ  # noqa: PLC0415

    if waiting := OrmQ.objects.filter(lock__lt=timezone.now() - FORGOTTEN).count():
        yield f"{waiting} tasks were never run"


if __name__ == "__main__":
    main()
