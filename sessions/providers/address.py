"""Parse repository addresses as people paste them.

Accepted forms are ``https://``, ``ssh://``, ``git@host:path``, and bare ones without a scheme. An
address is taken apart and put together again from its checked parts, so that git never gets
anything that was not understood here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote, unquote

from django.conf import settings
from django.utils.translation import gettext as _

from sessions.egress import addresses
from sessions.errors import UserError
from sessions.providers.repository import has_invisible

_PORTS = {"https": 443, "http": 80, "ssh": 22}
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?#]*)@)?"
    r"(?P<host>\[[^\]/]*\]|[^:/?#@\[\]]*)(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?"
)
_SCP = re.compile(r"(?:(?P<user>[^@:/]*)@)?(?P<host>\[[^\]/]*\]|[^@:/\[\]]*):(?P<path>[^?#]*)")
_BARE = re.compile(r"(?P<host>[^/:@?#]+)(?::[0-9]{1,5})?/.*")
_HELPER = re.compile(r"[A-Za-z0-9+.-]*::.*|[A-Za-z][A-Za-z0-9+.-]*://.*")
_LOCAL = re.compile(r"[./~\\].*|[A-Za-z]:[/\\].*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,31}")
_FORBIDDEN = re.compile(r"[/\\]|^\.{1,2}$")
_NAMES = 3
"""Parts of a path in which ``%2F`` is refused: they may name a repository."""

HTTPS_HOSTS = frozenset({
    "github.com", "gist.github.com", "raw.githubusercontent.com", "gist.githubusercontent.com",
    "github.dev", "gitlab.com", "codeberg.org", "bitbucket.org", "gitea.com", "git.sr.ht",
    "huggingface.co", "framagit.org", "salsa.debian.org", "gitlab.gnome.org", "gitlab.inria.fr",
    "nbviewer.org", "colab.research.google.com", "doi.org", "dx.doi.org", "zenodo.org",
    "figshare.com", "hydroshare.org", "archive.softwareheritage.org",
})  # fmt: skip
"""Hosts that are known to serve https; each also goes by ``www.``."""


@dataclass(frozen=True)
class Address:
    """A repository's address in parts.

    ``host`` is in its canonical spelling; ``segments`` are the path's, without %-escapes.
    ``without_scheme`` means that no scheme was written, so the host is a guess. ``was_http`` means
    that it began with ``http://``, and that its host is known to serve https.
    """

    scheme: str
    user: str
    host: str
    port: int | None
    segments: tuple[str, ...]
    query: str = ""
    without_scheme: bool = False
    was_http: bool = False

    @property
    def url(self) -> str:
        """Return the address as git gets it."""
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        path = "/".join(quote(segment, safe="~+@=,:") for segment in self.segments)
        return f"{self.scheme}://{user}{host}{port}/{path}"


def egress_rules() -> addresses.EgressRules:
    """Return what git may reach: public addresses, and the hosts that the site trusts."""
    return addresses.EgressRules(
        trusted=frozenset(settings.PORTAL_TRUSTED_GIT_HOSTS),
        closed_ports=frozenset(settings.PORTAL_CLOSED_PORTS),
        named_ports=frozenset(settings.PORTAL_NAMED_PORTS),
        portal_address=f"{settings.GATEWAY_SCHEME}://{settings.PORTAL_OWN_ADDRESS}",
    )


def parse_address(text: str) -> Address | None:
    """Parse an address; return None if the text does not look like one.

    Raises UserError for an address that cannot or must not be used.
    """
    if found := _URL.fullmatch(text):
        return _checked(found, scheme=found["scheme"].lower(), path=found["path"] or "")
    if _HELPER.fullmatch(text):
        scheme = text.partition(":")[0].lower()
        refuse() if scheme in _PORTS else _refuse_protocol(scheme)
    if _LOCAL.fullmatch(text):
        refuse(_("This is a path on a computer. Paste an address that starts with https://."))
    bare = _BARE.fullmatch(text)
    if bare and "." in bare["host"] and (found := _URL.fullmatch(f"https://{text}")):
        return _checked(found, scheme="https", path=found["path"] or "", bare=True)
    found = _SCP.fullmatch(text)
    if found and (found["user"] is not None or "." in found["host"]):
        if found["path"].startswith("-"):
            refuse()
        return _checked(found, scheme="ssh", path=found["path"])
    return None


def refuse(sentence: str = "") -> NoReturn:
    """Raise UserError: the text is not understood, with ``sentence`` for a more specific reason."""
    usual = _(
        "This does not look like a repository. Paste its address, such as "
        "https://github.com/owner/repository, or enter owner/repository for GitHub."
    )
    raise UserError("launch.repository-not-understood", sentence or usual)


def _checked(found: re.Match[str], *, scheme: str, path: str, bare: bool = False) -> Address:
    groups = found.groupdict()
    if scheme not in _PORTS:
        _refuse_protocol(scheme)
    user = _user(scheme, groups["user"])
    host, port = _host(found["host"]), _port(scheme, groups.get("port"))
    host = host.removeprefix("www.") if host.removeprefix("www.") in HTTPS_HOSTS else host
    if was_http := scheme == "http" and port is None and host in HTTPS_HOSTS:
        scheme = "https"
    _check_reachable(scheme, host, port or _PORTS[scheme], path)
    query = groups.get("query") or ""
    return Address(scheme, user, host, port, _segments(path), query, bare, was_http)


def _refuse_protocol(scheme: str) -> NoReturn:
    raise UserError(
        "launch.protocol-not-allowed",
        _(
            "Only https:// and ssh:// addresses work here, not “%(scheme)s”. Paste the address "
            "that the repository's page gives for cloning over HTTPS."
        )
        % {"scheme": scheme[:20]},
    )


def _user(scheme: str, user: str | None) -> str:
    """Return the account of an ssh address.

    Names and passwords in others are refused: they would be stored in the open.
    """
    if scheme == "ssh" and _USER.fullmatch("git" if user is None else user):
        return user or "git"
    if user is None:
        return ""
    if scheme == "ssh" and ":" not in user:
        refuse(_("The account name in this address is not valid. It is usually git@."))
    raise UserError(
        "launch.repository-has-password",
        _(
            "The address contains a name or password, which would be stored and shown. Remove the "
            "part before the @, and if it was a real password or token, change it."
        ),
    )


def _host(text: str) -> str:
    try:
        return addresses.canonical_host(text)
    except addresses.Unresolvable:
        refuse(_("The address has no valid host name, such as github.com."))


def _port(scheme: str, text: str | None) -> int | None:
    port = int(text) if text else _PORTS[scheme]
    if not 0 < port < 65536:
        refuse(_("The port in the address must be a number from 1 to 65535."))
    return None if port == _PORTS[scheme] else port


def _check_reachable(scheme: str, host: str, port: int, path: str) -> None:
    """Refuse at once what needs no lookup; `sessions.git.process` checks the rest."""
    known = egress_rules()
    address = addresses.as_ip_address(host)
    if known.trusts(host, port) and not (address and addresses.is_metadata(address)):
        is_example = scheme == settings.GATEWAY_SCHEME and known.is_example(host, port, path)
        if known.is_portal(host, port) and not is_example:
            _refuse_portal(host)
        return
    local = host == "localhost" or host.endswith(".localhost")
    if local or (address and addresses.refusal_reason(address)):
        raise UserError(
            "launch.address-private",
            _(
                "%(host)s is not on the public Internet, so the portal does not fetch from it."
                " Use a public address, or ask the staff to trust this host."
            )
            % {"host": host},
        )
    if scheme == "http":
        _refuse_protocol("http")


def _refuse_portal(host: str) -> NoReturn:
    raise UserError(
        "launch.address-portal",
        _(
            "%(host)s is this portal, which has no repositories except its examples. Paste the "
            "address of a repository on a Git server."
        )
        % {"host": host},
    )


def _segments(path: str) -> tuple[str, ...]:
    """Return the parts of a path, without %-escapes and empty parts. Raises UserError."""
    whole = [part for part in path.split("/") if part]
    try:
        parts = [unquote(part, errors="strict") for part in whole]
    except UnicodeDecodeError:
        refuse()
    parts[_NAMES:] = [each for part in parts[_NAMES:] for each in part.split("/")]
    if not parts:
        refuse(
            _("This is the address of a whole site. Paste the address of one of its repositories.")
        )
    if any(not part or _FORBIDDEN.search(part) or has_invisible(part) for part in parts):
        refuse(
            _(
                "The address contains characters that a repository's address cannot have. Check it "
                "and paste it again."
            )
        )
    return tuple(parts)
