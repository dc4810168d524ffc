"""Encrypt secrets for one use each, and re-encrypt them with a new key.

Bringing what is sealed to the first of ``PORTAL_ENCRYPTION_KEYS``, while the portal runs.

A row is written only if it still holds what was read: what the portal has written meanwhile is
newer. Whatever was done stays done, so it can be stopped at any moment and run again.

What must be read again by the portal alone is sealed: encrypted, and bound to what it is for.

``PORTAL_ENCRYPTION_KEYS`` seals with its first key and opens with any, so that a new one can be
put in front; ``manage.py reseal`` brings all rows over to it (`keys.sealing`).
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models, transaction

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


class CannotOpen(Exception):
    """It was sealed with a key that is not among ``PORTAL_ENCRYPTION_KEYS``, or for another use."""


def seal(text: str, use: str) -> str:
    """``text``, such that only `open_sealed` with the same ``use`` gives it back."""
    return _box(use, tuple(settings.PORTAL_ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def open_sealed(sealed: str, use: str) -> str:
    """What was sealed. Raises `CannotOpen`."""
    try:
        return _box(use, tuple(settings.PORTAL_ENCRYPTION_KEYS)).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise CannotOpen(use) from None


def resealed(sealed: str, use: str) -> str:
    """The same under the first key. Raises `CannotOpen`."""
    return seal(open_sealed(sealed, use), use)


def is_current(sealed: str, use: str) -> bool:
    """Whether it is under the first key."""
    try:
        _box(use, tuple(settings.PORTAL_ENCRYPTION_KEYS[:1])).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


@cache
def _box(use: str, keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key, use)) for key in keys])


def _derived(key: str, use: str) -> bytes:
    """RFC 5869: a key for each use, so that what is sealed for one is nothing for another."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"bindery.{use}".encode())
    return base64.urlsafe_b64encode(hkdf.derive(key.encode()))
