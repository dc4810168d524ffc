"""A name here for a new person: safe as a path, a label and a volume's name; never another's."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator

from django.db.models import Q

from portal.models import Erasure, UsedName, User
from portal.oidc.claims import Identity
from sessions.names import owner_slug

LONGEST = 40
NOT_GIVEN = frozenset(
    {
        *("admin", "administrator", "moderator", "operator", "staff", "superuser", "support"),
        *("bindery", "git", "jovyan", "owner", "portal", "root", "shared", "system", "viewer"),
        *("api", "hostmaster", "postmaster", "security", "webmaster", "www"),
        *("anonymous", "guest", "nobody", "none", "null", "test"),
    }
)
"""Whoever had such a name would be taken for somebody else."""


def free(identity: Identity) -> str:
    """The best name that nobody has or had. It is only taken by making the row: two may be told
    the same one."""
    return next(name for name in _candidates(identity) if not is_taken(name))


def is_taken(name: str) -> bool:
    """Whether somebody has this name or is known by it (`owner_slug`), or once was."""
    called = Q(username__iexact=name) | Q(username__iexact=owner_slug(name))
    known_by = Q(name__iexact=name) | Q(name__iexact=owner_slug(name))
    return (
        User.objects.filter(called).exists()
        or UsedName.objects.filter(known_by).exists()
        or UsedName.objects.of_others(name)
        or Erasure.objects.has_taken(name)
    )


def safe(text: str) -> str:
    """In small letters, digits and single ``-``, ``.`` or ``_`` between them; may be empty."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    ascii_ = "".join(c for c in plain if not unicodedata.combining(c)).lower()
    tidy = re.sub(r"[^a-z0-9._-]+", "-", ascii_)
    tidy = re.sub(r"[._-]*-[._-]*|([._])[._]+", lambda m: m[1] or "-", tidy)
    return tidy[:LONGEST].strip("-._")


def _candidates(identity: Identity) -> Iterator[str]:
    names = [name for called in identity.called if (name := safe(called))]
    good = [name for name in dict.fromkeys(names) if name not in NOT_GIVEN]
    for name in good[:1]:
        yield name
        yield from (f"{name}-{number}" for number in range(2, 10))
        yield f"{name}-{_digest(identity)[:10]}"
    yield f"person-{_digest(identity)[:10]}"
    yield f"person-{_digest(identity)}"


def _digest(identity: Identity) -> str:
    return hashlib.sha256(f"{identity.issuer} {identity.subject}".encode()).hexdigest()[:32]
