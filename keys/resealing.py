"""Bringing what is sealed to the first of ``PORTAL_ENCRYPTION_KEYS``, while the portal runs.

A row is written only if it still holds what was read: what the portal has written meanwhile is
newer. Whatever was done stays done, so it can be stopped at any moment and run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction

from keys.sealing import CannotOpen, is_current, open_sealed, resealed

BATCH = 200


@dataclass(frozen=True)
class Column:
    """Where something is sealed: the field ``name`` of a model's rows, for a ``use``;
    ``whose`` is the way to the username of the person whose it is."""

    model: type[models.Model]
    name: str
    use: str
    whose: str


@dataclass
class Outcome:
    """How many rows were ``moved`` to the first key and how many were there already; ``lost``
    are those that no key opens, counted by whose they are. They are left as they are."""

    moved: int = 0
    there: int = 0
    lost: Counter[str] = field(default_factory=Counter)


def reseal(column: Column) -> Outcome:
    outcome = Outcome()
    for rows in _batches(column):
        with transaction.atomic():  # one for all: each would wait for the disk
            for pk, sealed, whose in rows:
                _reseal(column, outcome, pk, sealed, whose)
    return outcome


def unreadable(column: Column, most: int) -> int:
    """How many of the newest rows, ``most`` of them, no key opens."""
    rows = _rows(column).exclude(**{column.name: ""}).order_by("-pk")
    sealed = rows.values_list(column.name, flat=True)[:most]
    return sum(not _opens(text, column.use) for text in sealed)


def _opens(sealed: str, use: str) -> bool:
    try:
        open_sealed(sealed, use)
    except CannotOpen:
        return False
    return True


def _reseal(column: Column, outcome: Outcome, pk: Any, sealed: str, whose: str) -> None:
    if is_current(sealed, column.use):
        outcome.there += 1
        return
    try:
        fresh = resealed(sealed, column.use)
    except CannotOpen:
        outcome.lost[whose] += 1
        return
    same = _rows(column).filter(pk=pk, **{column.name: sealed})
    outcome.moved += same.update(**{column.name: fresh})


def _batches(column: Column) -> Iterator[Sequence[tuple[Any, str, str]]]:
    last, wanted = 0, ("pk", column.name, column.whose)
    rows = _rows(column).exclude(**{column.name: ""}).order_by("pk").values_list(*wanted)
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1][0]


def _rows(column: Column) -> models.QuerySet[Any]:
    return column.model._default_manager.all()
