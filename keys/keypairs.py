"""People's SSH key pairs: made, rotated, and opened for the one who owns them.

The private half leaves this module only in an `identity.Identity`: for git in the portal's own
hands, and for the person's own notebooks.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.db.models import BigIntegerField
from django.utils import timezone

from keys.models import KeyPair
from keys.sealing import open_sealed, seal
from portal.models import User
from portal.prepared import Given, Prepared

USE = "ssh-key"
_PAIRS = Prepared(lambda: KeyPair.objects.filter(user=Given("user", BigIntegerField())))


def ensure(user: User) -> KeyPair:
    """The person's key pair, made where there is none yet; of two who come at once, one's."""
    pairs = _PAIRS(user=user.pk)
    return pairs[0] if pairs else KeyPair.objects.get_or_create(user=user, defaults=_new(user))[0]


def rotate(user: User) -> KeyPair:
    """A new key pair in place of the one that there is; the old one is gone for good."""
    return KeyPair.objects.update_or_create(user=user, defaults=_new(user))[0]


def private(pair: KeyPair) -> str:
    """The private half, in OpenSSH's form. Raises `keys.sealing.CannotOpen`."""
    return open_sealed(pair.sealed, USE)


def fingerprint(public: str) -> str:
    """What ``ssh-keygen -l`` says of a public key: ``SHA256:`` and 43 characters."""
    blob = base64.b64decode(public.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _new(user: User) -> dict[str, Any]:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return {
        "public": f"{public} {user.username}@bindery",
        "fingerprint": fingerprint(public),
        "sealed": seal(secret, USE),
        "created": timezone.now(),
    }
