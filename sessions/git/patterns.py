"""Name the places of repositories, and match them against patterns. Pure functions.

One repository can be written in many ways, and large forges have a second host for SSH. `location`
gives all of them one name; a pattern is brought into the same form. Patterns support ``*`` and
``?`` only. Staff would have to take care with regular expressions (a dot matches anything), and one
that backtracks for ever would hold up every launch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

_PORTS: Final = {"https": 443, "http": 80, "ssh": 22}
_HOST_ALIASES: Final = {
    "altssh.bitbucket.org": "bitbucket.org",
    "altssh.gitlab.com": "gitlab.com",
    "ssh.github.com": "github.com",
    "www.bitbucket.org": "bitbucket.org",
    "www.github.com": "github.com",
    "www.gitlab.com": "gitlab.com",
}
"""Hosts that serve another host's repositories; most are for SSH where port 22 is blocked."""

_BEFORE_HOST = re.compile(r"(?:[a-z+]+://)?(?:[^/@]*@)?", re.IGNORECASE)
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]{1,5})?)?")
_SCP = re.compile(r"([^:/\[\]]+):(?![0-9]{1,5}(?:/|$))(.*)", re.DOTALL)
_ENDING = re.compile(r"(?:\.git)+\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Location:
    """A repository's host, port and path; ``str`` is ``host/path``."""

    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


def location(url: str) -> Location:
    """Return where git clones from, the same for every way to write and fetch a repository.

    It has no account and no ``.git``, and one host for each forge. ``url`` may also be
    ``host/path``.
    """
    parts = urlsplit(url if "//" in url else f"//{url}")
    port = parts.port or _PORTS.get(parts.scheme, _PORTS["https"])
    return Location(_host(parts.hostname or ""), port, _path(parts.path))


@dataclass(frozen=True)
class Pattern:
    """A pattern by staff, in parts.

    Without ``path`` it covers a whole host, without ``port`` any port.
    """

    host: str
    port: int | None
    path: str | None

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Parse a pattern; staff may also paste an address."""
        bare = _BEFORE_HOST.sub("", text.strip(), count=1)
        if scp := _SCP.fullmatch(bare):
            bare = f"{scp[1]}/{scp[2]}"
        host, slash, path = bare.partition("/")
        found = _HOST.fullmatch(host)
        name, port = (found["host"], found["port"]) if found else (host, None)
        return cls(_host(name), int(port) if port else None, _path(path) if slash else None)

    def allows(self, location: Location) -> bool:
        """Return whether the place matches the pattern, part by part: host, port and path."""
        return (
            _matches(self.host, location.host, re.ASCII)
            and (self.port is None or self.port == location.port)
            and (self.path is None or _matches(self.path, location.path, re.ASCII))
        )

    def bans(self, location: Location) -> bool:
        """Return whether the pattern can be read as one for this place.

        This is wider than `allows`: a ``*`` may match more than the host, and the port does not
        matter.
        """
        whole = self.host if self.path is None else f"{self.host}/{self.path}"
        on_host = _matches(self.host, location.host) and (
            self.path is None or _matches(self.path, location.path)
        )
        return on_host or _matches(whole, str(location))


def _host(text: str) -> str:
    """Return a host's one name; in a pattern, the wildcards stay."""
    name = text.strip("[]").lower().rstrip(".")
    labels = (label if label.isascii() else _punycode(label) for label in name.split("."))
    name = ".".join(labels)
    return _HOST_ALIASES.get(name, name)


def _punycode(label: str) -> str:
    try:
        return label.encode("idna").decode("ascii")
    except UnicodeError:
        return label


def _path(text: str) -> str:
    parts = "/".join(part for part in unquote(text).split("/") if part)
    return _ENDING.sub("", parts)


def _matches(pattern: str, text: str, flags: int = 0) -> bool:
    """Match a pattern, in time bounded by length × length.

    Each part up to a ``*`` is searched for once, and its first match is kept (an atomic group).
    """
    first, *rest = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    last = f".*{rest[-1]}" if rest else ""
    expression = re.compile(first + middle + last, re.IGNORECASE | re.DOTALL | flags)
    return expression.fullmatch(text) is not None
