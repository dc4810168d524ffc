"""Name the places of repositories, and match them against patterns. Pure functions.

One repository can be written in many ways, and large forges have a second host for SSH. `place`
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
_ONE_NAME: Final = {
    "altssh.bitbucket.org": "bitbucket.org",
    "altssh.gitlab.com": "gitlab.com",
    "ssh.github.com": "github.com",
    "www.bitbucket.org": "bitbucket.org",
    "www.github.com": "github.com",
    "www.gitlab.com": "gitlab.com",
}
"""Hosts that serve the repositories of another host; most are for SSH where port 22 is blocked."""

_BEFORE_HOST = re.compile(r"(?:[a-z+]+://)?(?:[^/@]*@)?", re.IGNORECASE)
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]{1,5})?)?")
_SCP = re.compile(r"([^:/\[\]]+):(?![0-9]{1,5}(?:/|$))(.*)", re.DOTALL)
_ENDING = re.compile(r"(?:\.git)+\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """A repository's host, port and path; ``str`` is ``host/path``."""

    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


def place(url: str) -> Place:
    """Return where git clones from, the same for every way to write and fetch a repository.

    It has no account and no ``.git``, and one host for each forge. ``url`` may also be
    ``host/path``.
    """
    parts = urlsplit(url if "//" in url else f"//{url}")
    port = parts.port or _PORTS.get(parts.scheme, _PORTS["https"])
    return Place(_host(parts.hostname or ""), port, _path(parts.path))


@dataclass(frozen=True)
class Pattern:
    """A pattern by staff, in parts.

    Without ``path`` it covers a whole host, without ``port`` any port.
    """

    host: str
    port: int | None
    path: str | None

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Parse a pattern; staff may also paste an address."""
        bare = _BEFORE_HOST.sub("", text.strip(), count=1)
        if scp := _SCP.fullmatch(bare):
            bare = f"{scp[1]}/{scp[2]}"
        host, slash, path = bare.partition("/")
        found = _HOST.fullmatch(host)
        name, port = (found["host"], found["port"]) if found else (host, None)
        return cls(_host(name), int(port) if port else None, _path(path) if slash else None)

    def allows(self, where: Place) -> bool:
        """Return whether the place matches the pattern, part by part: host, port and path."""
        return (
            _is_like(self.host, where.host, re.ASCII)
            and (self.port is None or self.port == where.port)
            and (self.path is None or _is_like(self.path, where.path, re.ASCII))
        )

    def bans(self, where: Place) -> bool:
        """Return whether the pattern can be read as one for this place.

        This is wider than `allows`: a ``*`` may match more than the host, and the port does not
        matter.
        """
        whole = self.host if self.path is None else f"{self.host}/{self.path}"
        on_host = _is_like(self.host, where.host) and (
            self.path is None or _is_like(self.path, where.path)
        )
        return on_host or _is_like(whole, str(where))


def _host(text: str) -> str:
    """Return a host's one name; in a pattern, the wildcards stay."""
    name = text.strip("[]").lower().rstrip(".")
    labels = (label if label.isascii() else _punycode(label) for label in name.split("."))
    name = ".".join(labels)
    return _ONE_NAME.get(name, name)


def _punycode(label: str) -> str:
    try:
        return label.encode("idna").decode("ascii")
    except UnicodeError:
        return label


def _path(text: str) -> str:
    parts = "/".join(part for part in unquote(text).split("/") if part)
    return _ENDING.sub("", parts)


def _is_like(pattern: str, text: str, flags: int = 0) -> bool:
    """Match a pattern, in time bounded by length × length.

    Each part up to a ``*`` is searched for once, and its first match is kept (an atomic group).
    """
    first, *rest = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    last = f".*{rest[-1]}" if rest else ""
    expression = re.compile(first + middle + last, re.IGNORECASE | re.DOTALL | flags)
    return expression.fullmatch(text) is not None
