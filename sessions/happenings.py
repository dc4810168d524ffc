"""What rows tell of, as figures to add up: launches, builds, how long they took, what was removed.

`tallies` adds them up; `portal.metrics` shows them under these names. A label has one of a few
values, none of which is anybody's own word.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from sessions.models import Removal, Transition
from sessions.states import BUILD_ACTIVE, BuildState, SessionState

Key = tuple[str, str]
"""The name of a metric and its labels, as Prometheus writes them."""
Found = Iterator[tuple[Key, float]]

LAUNCHES, ENDS, BUILDS = "launches", "notebooks_ended", "builds"
LAUNCH_SECONDS, BUILD_SECONDS = "launch_phase_seconds", "build_seconds"
REMOVED, REMOVED_BYTES = "removed", "removed_bytes"
BOUNDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Seconds: a wait is counted under each bound that it kept to."""
PACKS = frozenset({"python", "pipfile", "conda", "r", "julia", "nix", "dockerfile"})

OUTCOMES = {
    SessionState.READY: "ready",
    SessionState.FAILED: "failed",
    SessionState.STOPPED: "cancelled",
    SessionState.STOPPING: "cancelled",
}
ON_ITS_WAY = frozenset({SessionState.WAITING, SessionState.SPAWNING})
RAN = frozenset({SessionState.READY, SessionState.STOPPING})
FOLLOWING = frozenset({SessionState.SPAWNING, SessionState.READY})


def of_transitions(rows: QuerySet[Transition]) -> Found:
    """Launches that came to an end, be it a running notebook or none; notebooks and builds that
    ended; and how long each took."""
    earlier = Transition.objects.filter(session=OuterRef("session"), pk__lt=OuterRef("pk"))
    before = Subquery(earlier.order_by("-pk").values("at")[:1])
    about = ("session__created", "build__started", "build__pack", "session_id")
    columns = ("before", "after", "at", *about)
    for row in rows.annotate(since=before).values("since", *columns):
        yield from _of_session(row) if row["session_id"] else _of_build(row)


def of_removals(rows: QuerySet[Removal]) -> Found:
    for row in rows.values("kind", "count", "size"):
        label = f'kind="{row["kind"]}"'
        yield (REMOVED, label), row["count"]
        yield (REMOVED_BYTES, label), row["size"] or 0


def _of_session(row: dict[str, Any]) -> Found:
    before, after = row["before"], row["after"]
    if before in ON_ITS_WAY and after in OUTCOMES:
        yield (LAUNCHES, f'outcome="{OUTCOMES[after]}"'), 1
    if before in ON_ITS_WAY and after in FOLLOWING:
        begun = row["since"] or row["session__created"]
        yield from _took(LAUNCH_SECONDS, f'phase="{before}"', begun, row["at"])
    if before in RAN and after in {SessionState.STOPPED, SessionState.FAILED}:
        yield (ENDS, f'outcome="{after}"'), 1


def _of_build(row: dict[str, Any]) -> Found:
    outcome = row["after"]
    if outcome in BUILD_ACTIVE:
        return
    pack = str(row["build__pack"]).lower()
    yield (BUILDS, f'outcome="{outcome}",pack="{pack if pack in PACKS else "other"}"'), 1
    if outcome != BuildState.CANCELLED and row["build__started"]:
        yield from _took(BUILD_SECONDS, f'outcome="{outcome}"', row["build__started"], row["at"])


def _took(metric: str, label: str, begun: datetime, ended: datetime) -> Found:
    """A Prometheus histogram: how many within each bound, how many at all, and their sum."""
    seconds = max((ended - begun).total_seconds(), 0.0)
    for bound in BOUNDS:
        yield (f"{metric}_bucket", f'{label},le="{bound}"'), float(seconds <= bound)
    yield (f"{metric}_count", label), 1
    yield (f"{metric}_sum", label), seconds
