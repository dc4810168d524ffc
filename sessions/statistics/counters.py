"""Count launches, builds and removals for metrics, once each.

`count` turns rows into figures to add up: launches, builds, how long they took, what was removed.
`portal.health.metrics` shows them under these names. A label has one of a few values, and none is
text that a person typed.

`sessions.watch.loop` counts regularly what is new since the last time. A `Tally` remembers how far
the count has come; it and the figures are stored together or not at all. So a count survives any
crash, and the rows may be removed later on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection, models, transaction
from django.db.models import OuterRef, QuerySet, Subquery

from sessions.models import Removal, Tally, Transition
from sessions.states import BUILD_ACTIVE, BuildState, SessionState

SeriesKey = tuple[str, str]
"""The name of a metric and its labels, as Prometheus writes them."""
Samples = Iterator[tuple[SeriesKey, float]]

LAUNCHES, NOTEBOOKS_ENDED, BUILDS = "launches", "notebooks_ended", "builds"
LAUNCH_SECONDS, BUILD_SECONDS = "launch_phase_seconds", "build_seconds"
REMOVED, REMOVED_BYTES = "removed", "removed_bytes"
BUCKET_BOUNDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Seconds: a duration counts in each bucket whose bound it does not exceed."""
PACKS = frozenset({"python", "pipfile", "conda", "r", "julia", "nix", "dockerfile"})

LAUNCH_OUTCOMES = {
    SessionState.READY: "ready",
    SessionState.FAILED: "failed",
    SessionState.STOPPED: "cancelled",
    SessionState.STOPPING: "cancelled",
}
LAUNCHING_STATES = frozenset({SessionState.WAITING, SessionState.SPAWNING})
RUNNING_STATES = frozenset({SessionState.READY, SessionState.STOPPING})
NEXT_STATES = frozenset({SessionState.SPAWNING, SessionState.READY})


def transition_samples(rows: QuerySet[Transition]) -> Samples:
    """Yield launches that came to an end, notebooks and builds that ended, and how long each took.

    A launch ends with a running notebook, or without one.
    """
    earlier = Transition.objects.filter(session=OuterRef("session"), pk__lt=OuterRef("pk"))
    before = Subquery(earlier.order_by("-pk").values("at")[:1])
    about = ("session__created", "build__started", "build__pack", "session_id")
    columns = ("before", "after", "at", *about)
    for row in rows.annotate(since=before).values("since", *columns):
        yield from _session_samples(row) if row["session_id"] else _build_samples(row)


def removal_samples(rows: QuerySet[Removal]) -> Samples:
    """Yield how many rows or things were removed, and their bytes, by kind."""
    for row in rows.values("kind", "count", "size"):
        label = f'kind="{row["kind"]}"'
        yield (REMOVED, label), row["count"]
        yield (REMOVED_BYTES, label), row["size"] or 0


def _session_samples(row: dict[str, Any]) -> Samples:
    before, after = row["before"], row["after"]
    if before in LAUNCHING_STATES and after in LAUNCH_OUTCOMES:
        yield (LAUNCHES, f'outcome="{LAUNCH_OUTCOMES[after]}"'), 1
    if before in LAUNCHING_STATES and after in NEXT_STATES:
        begun = row["since"] or row["session__created"]
        yield from _histogram(LAUNCH_SECONDS, f'phase="{before}"', begun, row["at"])
    if before in RUNNING_STATES and after in {SessionState.STOPPED, SessionState.FAILED}:
        yield (NOTEBOOKS_ENDED, f'outcome="{after}"'), 1


def _build_samples(row: dict[str, Any]) -> Samples:
    outcome = row["after"]
    if outcome in BUILD_ACTIVE:
        return
    pack = str(row["build__pack"]).lower()
    yield (BUILDS, f'outcome="{outcome}",pack="{pack if pack in PACKS else "other"}"'), 1
    if outcome != BuildState.CANCELLED and row["build__started"]:
        yield from _histogram(
            BUILD_SECONDS, f'outcome="{outcome}"', row["build__started"], row["at"]
        )


def _histogram(metric: str, label: str, begun: datetime, ended: datetime) -> Samples:
    """Yield a Prometheus histogram: a count for each bound, the count of all, and the sum."""
    seconds = max((ended - begun).total_seconds(), 0.0)
    for bound in BUCKET_BOUNDS:
        yield (f"{metric}_bucket", f'{label},le="{bound}"'), float(seconds <= bound)
    yield (f"{metric}_count", label), 1
    yield (f"{metric}_sum", label), seconds


PAUSE = 15.0
"""Seconds between two counts."""
BATCH = 2000
LOCK_TIMEOUT = "1s"
"""How long to wait for other writers of the rows before leaving it to the next round."""
CURSOR = "cursor"
LOCK_NOT_AVAILABLE = "55P03"

ToSamples = Callable[[models.QuerySet[Any]], Iterable[tuple[SeriesKey, float]]]

SOURCES: dict[str, tuple[type[models.Model], ToSamples]] = {
    "transition": (Transition, transition_samples),
    "removal": (Removal, removal_samples),
}


def count(batch: int = BATCH) -> None:
    """Count everything new, ``batch`` rows at a time."""
    for name, (model, to_samples) in SOURCES.items():
        while _is_behind(name, model) and _count_batch(name, model, to_samples, batch):
            pass


def _is_behind(name: str, model: type[models.Model]) -> bool:
    return model._default_manager.filter(pk__gt=_cursor(name).value).exists()


def _cursor(name: str) -> Tally:
    return Tally.objects.get_or_create(metric=CURSOR, labels=name)[0]


def _count_batch(name: str, model: type[models.Model], collect: ToSamples, batch: int) -> bool:
    """Count a batch; return False if writers keep the table locked for too long."""
    try:
        with transaction.atomic():
            _wait_for_writers(model)
            cursor = Tally.objects.select_for_update().get(metric=CURSOR, labels=name)
            newer = model._default_manager.filter(pk__gt=cursor.value).order_by("pk")
            some = list(newer.values_list("pk", flat=True)[:batch])
            if some:
                _add(collect(newer.filter(pk__lte=some[-1])))
                Tally.objects.filter(pk=cursor.pk).update(value=some[-1])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _wait_for_writers(model: type[models.Model]) -> None:
    """Lock the table, so that no lower number can be committed later.

    Primary keys are given out in one order and committed in another, so a row with a lower one may
    appear later. While this lock is held nobody is in between, and everything below the highest
    number is final. SQLite has one writer at a time.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute(f'LOCK TABLE "{model._meta.db_table}" IN SHARE MODE')


def _add(found: Iterable[tuple[SeriesKey, float]]) -> None:
    """Add to the tallies, with two queries however many there are."""
    more: defaultdict[SeriesKey, float] = defaultdict(float)
    for key, value in found:
        more[key] += value
    known = {(row.metric, row.labels): row.value for row in Tally.objects.all()}
    rows = [
        Tally(metric=metric, labels=labels, value=known.get((metric, labels), 0) + value)
        for (metric, labels), value in more.items()
    ]
    Tally.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["metric", "labels"], update_fields=["value"]
    )
