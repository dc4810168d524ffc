"""Explain why git or ssh failed, in words for a person.

The proxy's own observations come first, because they are certain; then what git or ssh printed
(`process`, `ssh`). Their messages, and those of the forges, are the same in all versions in use,
because they run in the C locale.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from keys.keypairs import SshIdentity
from sessions.egress.addresses import Refused
from sessions.errors import BinderyError, TemporaryError, UserError

from .process import Outcome

KEY_PAGES = {
    "github.com": "https://github.com/settings/keys",
    "gitlab.com": "https://gitlab.com/-/user_settings/ssh_keys",
    "bitbucket.org": "https://bitbucket.org/account/settings/ssh-keys/",
    "codeberg.org": "https://codeberg.org/user/settings/keys",
}
"""Pages where people add their public key, by host."""

_HOST_KEY = re.compile(
    r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|host key is known for"
)
_KEY = re.compile(r"Permission denied \(")
_CLOSED = re.compile(
    r"not found|could not be found|not appear to be a git repository|does not exist|nauthori[sz]ed"
    r"|access denied|do(?:es)? not have (?:access|permission)|ccess (?:is )?denied"
)


_STATUS = re.compile(r"The requested URL returned error: (\d{3})")
_REMOTE = re.compile(r"remote error: (.*\S)")


def key_page(url: str) -> str:
    """Return the page where the repository's host takes public keys; "" if unknown."""
    return KEY_PAGES.get(urlsplit(url).hostname or "", "")


def ssh_failure(stderr: str, url: str, identity: SshIdentity, git: str) -> UserError | None:
    """Return the error that a complaint of ssh or the server means; None if it is not about keys.

    ``git`` is the complaint in a form that may be shown.
    """
    host = urlsplit(url).hostname or url
    if _HOST_KEY.search(stderr):
        return _host_key_changed(host, git)
    if _KEY.search(stderr):
        return _key_not_accepted(url, host, identity, git)
    if _CLOSED.search(stderr):
        return _closed(url, identity, git)
    return None


def _host_key_changed(host: str, git: str) -> UserError:
    return UserError(
        "launch.host-key-changed",
        _(
            "%(host)s did not present its known SSH host key, so the portal did not connect. "
            "Either its operators changed the key, or someone is impersonating the server. Ask "
            "the operators, then the staff of this portal, who can accept a new key."
        )
        % {"host": host},
        git=git,
    )


def _key_not_accepted(url: str, host: str, identity: SshIdentity, git: str) -> UserError:
    page = key_page(url)
    values = {"host": host, "page": page, "account": f"{settings.PORTAL_URL}/account/"}
    if page:
        sentence = _(
            "%(host)s does not accept your SSH key. Copy the public key from your account page"
            " (%(account)s), add it at %(page)s, and launch again."
        )
    else:
        sentence = _(
            "%(host)s does not accept your SSH key. Copy the public key from your account page"
            " (%(account)s), add it to your account there, and launch again."
        )
    return UserError(
        "launch.key-not-accepted",
        sentence % values,
        public_key=identity.public,
        page=page,
        git=git,
    )


def _closed(url: str, identity: SshIdentity, git: str) -> UserError:
    return UserError(
        "launch.repository-not-found",
        _(
            "%(url)s does not exist, or your SSH key has no access to it. Check the spelling, and "
            "ask its owner to give you access or to add your public key, which is on your account "
            "page."
        )
        % {"url": url},
        public_key=identity.public,
        git=git,
    )


MAX_DETAIL_LENGTH = 500

_CERTIFICATE = re.compile(r"certificate|SSL|TLS|gnutls", re.IGNORECASE)
_MISSING = re.compile(
    r"not found|could not read (?:Username|Password)|Authentication failed|error: 40[1-4]"
    r"|Permission denied|not appear to be a git repository|not valid: is this a git repository"
)
_PASSING = re.compile(
    r"error: (?:408|425|429|5\d\d)|hung up|early EOF|RPC failed|timed out|unexpected disconnect"
    r"|Connection (?:was )?(?:reset|closed)|HTTP/2 (?:stream|framing)|HTTP2 framing|transfer closed"
    r"|Empty reply|Could not (?:connect|resolve)|Failed to connect|kex_exchange"
)
_ADDRESS = re.compile(r"(?:https?|ssh)://[^\s']*")
_BROKEN_OFF = re.compile(
    r"SSL_ERROR_SYSCALL|SSL_(?:read|write)|unexpected eof|non-properly terminated|pull function"
    r"|push function|recv error|send error|SSL connection timeout",
    re.IGNORECASE,
)
"""Encrypted connections that ended early, in the words of OpenSSL and GnuTLS."""
_AWAY = re.compile(r"timed out|Could not (?:connect|resolve)|Failed to connect")
_TOO_LARGE = re.compile(r"File too large|[Oo]ut of memory")
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded")
# The last two mean that the commit's id has a different length from this repository's ids.
_NO_COMMIT = re.compile(r"not our ref|mismatched algorithms|expected sha/ref, got '[0-9a-f]{40}")
_WITHHELD = re.compile(
    r"unadvertised object|want \S+ not valid|not support shallow|find remote ref"
    r"|invalid refspec|not a tree object|Not a valid object name"
)


def refuses_fetch(outcome: Outcome) -> bool:
    """Return whether the server answers, but refuses this way of fetching."""
    return not outcome.connection_errors and bool(_WITHHELD.search(outcome.stderr))


def commit_not_found(commit: str, url: str) -> UserError:
    """Return the error for a commit that the repository does not have."""
    return UserError(
        "launch.ref-not-found",
        _("There is no commit “%(commit)s” in %(url)s. Check it, or enter a branch or tag.")
        % {"commit": commit, "url": url},
    )


def failure(
    outcome: Outcome, url: str, commit: str = "", identity: SshIdentity | None = None
) -> BinderyError:
    """Return the error that an unanswered run means for the person who asked for ``url``.

    ``commit`` is the commit that was asked for, if any; ``identity`` is the person's, if it was
    offered to the server.
    """
    host = urlsplit(url).hostname or url
    for error in outcome.connection_errors:
        return _connection_error(error, host)
    if outcome.timed_out:
        return _host_timeout(host)
    if commit and _NO_COMMIT.search(outcome.stderr):
        return commit_not_found(commit, url)
    if identity:
        stderr = outcome.stderr
        about_keys = ssh_failure(stderr, url, identity, sanitize(stderr))
        if about_keys:
            return about_keys
    return _explain_stderr(outcome.stderr, url, host)


def _explain_stderr(stderr: str, url: str, host: str) -> BinderyError:
    detail = sanitize(stderr)
    stderr = _ADDRESS.sub("", stderr)  # a repository may be called ssl-course
    if _MISSING.search(stderr):
        return UserError(
            "launch.repository-not-found",
            _("%(url)s does not exist or is private. Check the spelling, or make it public.")
            % {"url": url},
            git=detail,
        )
    if _TOO_LARGE.search(stderr):
        return UserError(
            "launch.repository-too-large",
            _(
                "The repository, or a file in it, is too large for the portal. Remove large files "
                "from it, and download them when the notebook runs."
            ),
            git=detail,
        )
    if _NO_ROOM.search(stderr):
        return TemporaryError(
            "launch.no-room",
            _("The portal has no disk space to fetch the repository. Try again later."),
            git=detail,
        )
    broke_off = _BROKEN_OFF.search(stderr) and "certificate" not in stderr.lower()
    if _CERTIFICATE.search(stderr) and not broke_off:
        return UserError(
            "launch.host-certificate",
            _(
                "The portal cannot verify %(host)s: its certificate is not valid here. Tell its "
                "operators, or use the repository's address on another host."
            )
            % {"host": host},
            git=detail,
        )
    if broke_off or _PASSING.search(stderr):
        return _passing(stderr, host, detail)
    return UserError("launch.repository-not-readable", _refusal(stderr, host), git=detail)


def _passing(stderr: str, host: str, detail: str) -> TemporaryError:
    """Return the error for a server that is away, or that answers with an error for now."""
    status = _STATUS.search(stderr)
    if status is None and _AWAY.search(stderr):
        return _unreachable(host, git=detail)
    if status is None:
        message = _("%(host)s broke off in the middle of its answer. Try again later.")
        return TemporaryError("launch.host-unreachable", message % {"host": host}, git=detail)
    sentence = _("%(host)s answered with an error (%(status)s). Try again later.")
    if status[1] == "429":
        sentence = _("%(host)s is asked too often and refuses for now (%(status)s).")
    message = sentence % {"host": host, "status": status[1]}
    return TemporaryError("launch.host-unreachable", message, git=detail)


def _refusal(stderr: str, host: str) -> str:
    """Return the sentence for an answer that will not change by itself."""
    if status := _STATUS.search(stderr):
        sentence = _("%(host)s refuses this address (error %(status)s). Check the address.")
        return sentence % {"host": host, "status": status[1]}
    if said := _REMOTE.search(stderr):
        return _("%(host)s refuses: %(said)s") % {"host": host, "said": sanitize(said[1])}
    return _("%(host)s answered, but not like a Git server. Check the repository's address.") % {
        "host": host
    }


def sanitize(text: str) -> str:
    """Return a message of git or a server, safe to show: printable and of limited length."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:MAX_DETAIL_LENGTH]


def _connection_error(error: Exception, host: str) -> BinderyError:
    if isinstance(error, Refused):
        return UserError(
            "launch.address-private",
            _(
                "The address points to a host that is not on the public Internet, so the portal "
                "does not fetch from it. Use a public address, or ask the staff to trust the "
                "host."
            ),
        )
    return _host_timeout(host) if isinstance(error, TimeoutError) else _unreachable(host)


def _host_timeout(host: str) -> TemporaryError:
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
