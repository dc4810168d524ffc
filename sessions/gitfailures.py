"""Why git came back without an answer, in words for a person.

The proxy's own observations come first, because they are certain; then what git itself says,
whose sentences are the same in the versions in use (it runs with the C locale). What is about
SSH keys is in `sshfailures`.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from keys.identity import Identity
from sessions import sshfailures
from sessions.addresses import Refused
from sessions.errors import BinderyError, TemporaryError, UserError
from sessions.gitprocess import Outcome

LONGEST_DETAIL = 500

_CERTIFICATE = re.compile(r"certificate|SSL|TLS|gnutls", re.IGNORECASE)
_MISSING = re.compile(
    r"not found|could not read (?:Username|Password)|Authentication failed|error: 40[1-4]"
    r"|Permission denied|not appear to be a git repository|not valid: is this a git repository"
)
_PASSING = re.compile(
    r"error: (?:429|5\d\d)|hung up|early EOF|RPC failed|timed out|Connection (?:reset|closed)"
    r"|Empty reply|Could not (?:connect|resolve)|Failed to connect|kex_exchange"
)
_TOO_LARGE = re.compile(r"File too large|[Oo]ut of memory")
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded")
# The last two say that the length of the commit's id is not that of this repository's ids.
_NO_COMMIT = re.compile(r"not our ref|mismatched algorithms|expected sha/ref, got '[0-9a-f]{40}")
_WITHHELD = re.compile(
    r"unadvertised object|want \S+ not valid|not support shallow|find remote ref"
    r"|invalid refspec|not a tree object"
)


def withheld(outcome: Outcome) -> bool:
    """Whether the server is there but does not give what was asked for in the way it was."""
    return not outcome.unreached and bool(_WITHHELD.search(outcome.complaint))


def no_such_commit(commit: str, url: str) -> UserError:
    return UserError(
        "launch.ref-not-found",
        _("There is no commit “%(commit)s” in %(url)s. Check it, or name a branch or a tag.")
        % {"commit": commit, "url": url},
    )


def failure(
    outcome: Outcome, url: str, commit: str = "", identity: Identity | None = None
) -> BinderyError:
    """The error that an unanswered run means for the person who asked for ``url``.

    ``commit`` is what was asked for there, if it was one; ``identity`` is theirs, if it was
    shown to the server.
    """
    host = urlsplit(url).hostname or url
    for error in outcome.unreached:
        return _unreached(error, host)
    if outcome.late:
        return _late(host)
    if commit and _NO_COMMIT.search(outcome.complaint):
        return no_such_commit(commit, url)
    if identity:
        complaint = outcome.complaint
        about_keys = sshfailures.failure(complaint, url, identity, clean(complaint))
        if about_keys:
            return about_keys
    return _complained(outcome.complaint, url, host)


def _complained(complaint: str, url: str, host: str) -> BinderyError:
    detail = clean(complaint)
    if _MISSING.search(complaint):
        return UserError(
            "launch.repository-not-found",
            _("%(url)s does not exist or is private. Check the spelling, or make it public.")
            % {"url": url},
            git=detail,
        )
    if _TOO_LARGE.search(complaint):
        return UserError(
            "launch.repository-too-large",
            _(
                "The repository, or a file in it, is larger than the portal takes. Take large"
                " files out of it, and fetch them when the notebook runs."
            ),
            git=detail,
        )
    if _NO_ROOM.search(complaint):
        return TemporaryError(
            "launch.no-room",
            _("The portal has no room for what it has to fetch. Try again later."),
            git=detail,
        )
    if _CERTIFICATE.search(complaint):
        return UserError(
            "launch.host-certificate",
            _(
                "%(host)s does not prove who it is: its certificate is not valid here."
                " Tell the people who run it, or use the repository's address on another host."
            )
            % {"host": host},
            git=detail,
        )
    if _PASSING.search(complaint):
        return _unreachable(host, git=detail)
    return UserError(
        "launch.repository-not-readable",
        _("%(host)s answers, but not as a Git server does. Check the repository's address.")
        % {"host": host},
        git=detail,
    )


def clean(text: str) -> str:
    """What git or a server said, fit to be looked at: printable, and not long."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:LONGEST_DETAIL]


def _unreached(error: Exception, host: str) -> BinderyError:
    if isinstance(error, Refused):
        return UserError(
            "launch.address-private",
            _(
                "The address leads to a place that is not on the public Internet, so the portal"
                " does not fetch from it. Use a public address, or ask the staff to trust the"
                " host."
            ),
        )
    return _late(host) if isinstance(error, TimeoutError) else _unreachable(host)


def _late(host: str) -> TemporaryError:
    return TemporaryError(
        "launch.host-timeout",
        _("%(host)s did not answer in time. Try again later.") % {"host": host},
    )


def _unreachable(host: str, **details: str) -> TemporaryError:
    return TemporaryError(
        "launch.host-unreachable",
        _("%(host)s cannot be reached. Check the address, or try again later.") % {"host": host},
        **details,
    )
