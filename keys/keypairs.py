"""Make, rotate and open people's SSH key pairs, and keep the known hosts of ssh.

Known servers are those that the operator names (``PORTAL_KNOWN_HOSTS``) and those that were met
before. The private half of a key leaves this module only in an `SshIdentity`: for the portal's own
git, and for the person's own notebooks.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.conf import settings
from django.db.models import BigIntegerField
from django.utils import timezone

from keys.models import KeyPair
from keys.sealing import seal, unseal
from portal.lib.db import CompiledQuery, Param
from portal.models import User

from .models import KnownHost


@dataclass(frozen=True)
class SshIdentity:
    """Everything ssh needs to act as a person.

    ``private`` is in OpenSSH's form, ``public`` a line of ``authorized_keys``, ``known_hosts`` the
    text of such a file. ``user_id`` is the person's row, for the servers that they are the first to
    meet.
    """

    private: str = field(repr=False)
    public: str
    known_hosts: str = ""
    user_id: int | None = None


def identity_of(user: User) -> SshIdentity:
    """Return the person's identity; make their key pair if there is none yet.

    Raises `keys.sealing.UnsealError` if the key cannot be decrypted.
    """
    pair = ensure(user)
    return SshIdentity(private_key(pair), pair.public, known_hosts_text(), user.pk)


def known_hosts_text() -> str:
    """Return the text of a ``known_hosts`` file with all known servers, the operator's first."""
    met = (f"{row.host} {row.key}" for row in KnownHost.objects.order_by("pk"))
    return "".join(f"{line}\n" for line in (*settings.PORTAL_KNOWN_HOSTS.splitlines(), *met))


def record_hosts(lines: Iterable[str], user_id: int | None) -> None:
    """Record the servers of these ``known_hosts`` lines, and the person who met them first.

    If two people meet a server at once, the first is believed: a key that differs is not added.
    """
    for line in lines:
        host, kind, key = line.split()[:3]
        if KnownHost.objects.filter(host=host).exists():
            continue
        KnownHost.objects.get_or_create(
            host=host,
            key=f"{kind} {key}",
            defaults={"fingerprint": fingerprint(f"{kind} {key}"), "first_user_id": user_id},
        )


SEAL_PURPOSE = "ssh-key"
_PAIRS = CompiledQuery(lambda: KeyPair.objects.filter(user=Param("user", BigIntegerField())))


def ensure(user: User) -> KeyPair:
    """Return the person's key pair; make it if there is none yet.

    Concurrent callers get the same one.
    """
    pairs = _PAIRS(user=user.pk)
    return pairs[0] if pairs else KeyPair.objects.get_or_create(user=user, defaults=_new(user))[0]


def rotate(user: User) -> KeyPair:
    """Replace the person's key pair with a new one; the old one is gone for good."""
    return KeyPair.objects.update_or_create(user=user, defaults=_new(user))[0]


def private_key(pair: KeyPair) -> str:
    """Return the private half in OpenSSH's form. Raises `keys.sealing.UnsealError`."""
    return unseal(pair.sealed, SEAL_PURPOSE)


def fingerprint(public: str) -> str:
    """Return a public key's fingerprint like ``ssh-keygen -l``: ``SHA256:`` and 43 characters."""
    blob = base64.b64decode(public.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _new(user: User) -> dict[str, Any]:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return {
        "public": f"{public} {user.username}@bindery",
        "fingerprint": fingerprint(public),
        "sealed": seal(secret, SEAL_PURPOSE),
        "created": timezone.now(),
    }
