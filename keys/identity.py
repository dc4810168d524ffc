"""All that ssh needs to act as a person: their key pair, and the servers that are known."""

from __future__ import annotations

from dataclasses import dataclass, field

from keys import keypairs, knownhosts
from portal.models import User


@dataclass(frozen=True)
class Identity:
    """``private`` is in OpenSSH's form, ``public`` a line of ``authorized_keys``,
    ``known_hosts`` the text of such a file. ``user_id`` is the person's row, for the servers
    that they are the first to meet."""

    private: str = field(repr=False)
    public: str
    known_hosts: str = ""
    user_id: int | None = None


def identity_of(user: User) -> Identity:
    """The person's identity; their key pair is made where there is none yet.

    Raises `keys.sealing.CannotOpen`.
    """
    pair = keypairs.ensure(user)
    return Identity(keypairs.private(pair), pair.public, knownhosts.text(), user.pk)
