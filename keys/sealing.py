"""Seal secrets: encrypt them for one use each, so that only the portal can read them again.

The first of ``PORTAL_ENCRYPTION_KEYS`` seals and any of them opens, so that a new one can be put in
front. ``manage.py reseal`` then seals all rows with it (`reseal`), while the portal runs. A row is
written only if it still holds what was read: what the portal wrote meanwhile is newer. Progress is
kept, so `reseal` can be stopped at any moment and run again.
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
    """A column of sealed text: the field ``name`` of a model's rows, for a ``use``.

    ``whose`` is the lookup of the owner's username.
    """

    model: type[models.Model]
    name: str
    use: str
    whose: str


@dataclass
class Outcome:
    """Counts of a run of `reseal`.

    ``moved`` rows were sealed anew, and ``there`` had the first key already. ``lost`` counts those
    that no key opens, by owner; they are left unchanged.
    """

    moved: int = 0
    there: int = 0
    lost: Counter[str] = field(default_factory=Counter)


def reseal(column: Column) -> Outcome:
    """Seal all rows of the column with the first key."""
    outcome = Outcome()
    for rows in _batches(column):
        with transaction.atomic():  # one per batch: each would wait for the disk
            for pk, sealed, whose in rows:
                _reseal(column, outcome, pk, sealed, whose)
    return outcome


def unreadable(column: Column, most: int) -> int:
    """Return how many of the ``most`` newest rows no key opens."""
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
    """Raised if the key is not in ``PORTAL_ENCRYPTION_KEYS``, or the text has another use."""


def seal(text: str, use: str) -> str:
    """Encrypt ``text``, so that only `open_sealed` with the same ``use`` returns it."""
    return _box(use, tuple(settings.PORTAL_ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def open_sealed(sealed: str, use: str) -> str:
    """Return the text that was sealed. Raises `CannotOpen`."""
    try:
        return _box(use, tuple(settings.PORTAL_ENCRYPTION_KEYS)).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise CannotOpen(use) from None


def resealed(sealed: str, use: str) -> str:
    """Return the text sealed anew with the first key. Raises `CannotOpen`."""
    return seal(open_sealed(sealed, use), use)


def is_current(sealed: str, use: str) -> bool:
    """Return whether the text is sealed with the first key."""
    try:
        _box(use, tuple(settings.PORTAL_ENCRYPTION_KEYS[:1])).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


@cache
def _box(use: str, keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key, use)) for key in keys])


def _derived(key: str, use: str) -> bytes:
    """Derive a key for each use (RFC 5869), so that text sealed for one use opens for no other."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"bindery.{use}".encode())
    return base64.urlsafe_b64encode(hkdf.derive(key.encode()))
