"""Counts what has happened, once each, from the rows that tell of it: for `portal.metrics`.

`watch` counts now and then what is new since the last time. A tally remembers how far it is; it and
what was counted are stored together or not at all. So a count survives any crash, and the rows may
be removed later on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from django.db import OperationalError, connection, models, transaction

from sessions import happenings
from sessions.happenings import Key
from sessions.models import Removal, Tally, Transition

PAUSE = 15.0
"""Seconds between two counts."""
BATCH = 2000
SOON = "1s"
"""How long others may keep the rows from being counted: then it is tried again at the next time."""
CURSOR = "cursor"
UNAVAILABLE = "55P03"

Told = Callable[[models.QuerySet[Any]], Iterable[tuple[Key, float]]]

SOURCES: dict[str, tuple[type[models.Model], Told]] = {
    "transition": (Transition, happenings.of_transitions),
    "removal": (Removal, happenings.of_removals),
}


def count(batch: int = BATCH) -> None:
    """All that is new, so many rows at a time."""
    for name, (model, told) in SOURCES.items():
        while _is_behind(name, model) and _count_some(name, model, told, batch):
            pass


def _is_behind(name: str, model: type[models.Model]) -> bool:
    return model._default_manager.filter(pk__gt=_cursor(name).value).exists()


def _cursor(name: str) -> Tally:
    return Tally.objects.get_or_create(metric=CURSOR, labels=name)[0]


def _count_some(name: str, model: type[models.Model], told: Told, most: int) -> bool:
    """A batch; False where others write at this moment, and do not come to an end."""
    try:
        with transaction.atomic():
            _wait_for_writers(model)
            cursor = Tally.objects.select_for_update().get(metric=CURSOR, labels=name)
            newer = model._default_manager.filter(pk__gt=cursor.value).order_by("pk")
            some = list(newer.values_list("pk", flat=True)[:most])
            if some:
                _add(told(newer.filter(pk__lte=some[-1])))
                Tally.objects.filter(pk=cursor.pk).update(value=some[-1])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != UNAVAILABLE:
            raise
        return False
    return True


def _wait_for_writers(model: type[models.Model]) -> None:
    """Numbers are given out in one order and committed in another: a row with a lower one may come
    later. With this lock nobody is in between, so what is below the highest number is all there
    ever will be. SQLite has one writer at a time."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{SOON}'")
            cursor.execute(f'LOCK TABLE "{model._meta.db_table}" IN SHARE MODE')


def _add(found: Iterable[tuple[Key, float]]) -> None:
    """Add to the tallies, with two queries however many there are."""
    more: defaultdict[Key, float] = defaultdict(float)
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
