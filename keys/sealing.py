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
class SealedColumn:
    """A column of sealed text: the field ``name`` of a model's rows, for a ``purpose``.

    ``owner_lookup`` is the lookup of the owner's username.
    """

    model: type[models.Model]
    name: str
    purpose: str
    owner_lookup: str


@dataclass
class ResealResult:
    """Counts of a run of `reseal`.

    ``resealed`` rows were sealed anew, and ``already_current`` had the first key already.
    ``unreadable`` counts those that no key opens, by owner; they are left unchanged.
    """

    resealed: int = 0
    already_current: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)


def reseal(column: SealedColumn) -> ResealResult:
    """Seal all rows of the column with the first key."""
    result = ResealResult()
    for rows in _batches(column):
        with transaction.atomic():  # one per batch: each would wait for the disk
            for pk, sealed, owner in rows:
                _reseal(column, result, pk, sealed, owner)
    return result


def count_unreadable(column: SealedColumn, limit: int) -> int:
    """Return how many of the ``limit`` newest rows no key opens."""
    rows = _rows(column).exclude(**{column.name: ""}).order_by("-pk")
    sealed = rows.values_list(column.name, flat=True)[:limit]
    return sum(not _is_readable(text, column.purpose) for text in sealed)


def _is_readable(sealed: str, purpose: str) -> bool:
    try:
        unseal(sealed, purpose)
    except UnsealError:
        return False
    return True


def _reseal(column: SealedColumn, result: ResealResult, pk: Any, sealed: str, owner: str) -> None:
    if is_current(sealed, column.purpose):
        result.already_current += 1
        return
    try:
        fresh = reseal_text(sealed, column.purpose)
    except UnsealError:
        result.unreadable[owner] += 1
        return
    same = _rows(column).filter(pk=pk, **{column.name: sealed})
    result.resealed += same.update(**{column.name: fresh})


def _batches(column: SealedColumn) -> Iterator[Sequence[tuple[Any, str, str]]]:
    last, wanted = 0, ("pk", column.name, column.owner_lookup)
    rows = _rows(column).exclude(**{column.name: ""}).order_by("pk").values_list(*wanted)
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1][0]


def _rows(column: SealedColumn) -> models.QuerySet[Any]:
    return column.model._default_manager.all()


class UnsealError(Exception):
    """Raised if the key is not in ``PORTAL_ENCRYPTION_KEYS``, or the text has another use."""


def seal(text: str, purpose: str) -> str:
    """Encrypt ``text``, so that only `unseal` with the same ``purpose`` returns it."""
    return _cipher(purpose, tuple(settings.PORTAL_ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def unseal(sealed: str, purpose: str) -> str:
    """Return the text that was sealed for this ``purpose``. Raises `UnsealError`."""
    try:
        return (
            _cipher(purpose, tuple(settings.PORTAL_ENCRYPTION_KEYS))
            .decrypt(sealed.encode())
            .decode()
        )
    except InvalidToken:
        raise UnsealError(purpose) from None


def reseal_text(sealed: str, purpose: str) -> str:
    """Return the text sealed anew with the first key. Raises `UnsealError`."""
    return seal(unseal(sealed, purpose), purpose)


def is_current(sealed: str, purpose: str) -> bool:
    """Return whether the text is sealed with the first key."""
    try:
        _cipher(purpose, tuple(settings.PORTAL_ENCRYPTION_KEYS[:1])).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


@cache
def _cipher(purpose: str, keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derive_key(key, purpose)) for key in keys])


def _derive_key(key: str, purpose: str) -> bytes:
    """Derive a key for each use (RFC 5869), so that text sealed for one use opens for no other."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"bindery.{purpose}".encode())
    return base64.urlsafe_b64encode(hkdf.derive(key.encode()))
