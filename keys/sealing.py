"""What must be read again by the portal alone is sealed: encrypted, and bound to what it is for.

``PORTAL_ENCRYPTION_KEYS`` seals with its first key and opens with any, so that a new one can be
put in front; ``manage.py reseal`` brings all rows over to it (`keys.resealing`).
"""

from __future__ import annotations

import base64
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


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
