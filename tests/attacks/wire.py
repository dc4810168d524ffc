"""Requests as they go over the wire: valid ones, and ones that no library would send."""

from __future__ import annotations

import http.client
import select
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.attacks.attempt import Attempt, Verdict
from tests.attacks.cast import World

PORTAL = "localhost:{port}"
PIECE = 65536
OK = frozenset({200})
REFUSED = frozenset({400, 401, 403, 404, 405, 411, 413, 414, 415, 417, 426, 429, 431, 501, 505})
"""Statuses that refuse a visitor."""
AWAY = frozenset({301, 302, 303})
Headers = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    """An answer. ``status`` is 0 if the connection was closed without one, and -1 if none came in
    time.
    """

    status: int
    head: str = ""
    body: str = ""

    @property
    def text(self) -> str:
        return f"{self.head}\n{self.body}"


@dataclass(frozen=True)
class Request(Attempt):
    """A request, and what its answer may be. ``by`` is the person whose cookie it bears, or with
    ``token`` the scope of the token it bears; ``host`` is where it goes.

    The portal held if the status is one of ``answers``, none of ``without`` is in the answer, and
    it came ``within`` seconds. ``closes``: closing the connection is an answer as well.
    ``by_nginx``: it goes through the server in front.
    """

    path: str = "/"
    method: str = field(default="GET", kw_only=True)
    host: str = field(default=PORTAL, kw_only=True)
    by: str = field(default="", kw_only=True)
    token: str = field(default="", kw_only=True)
    headers: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)
    body: str = field(default="", kw_only=True)
    answers: frozenset[int] = field(default=REFUSED, kw_only=True)
    without: tuple[str, ...] = field(default=(), kw_only=True)
    having: tuple[str, ...] = field(default=(), kw_only=True)
    closes: bool = field(default=False, kw_only=True)
    by_nginx: bool = field(default=False, kw_only=True)
    within: float = field(default=10, kw_only=True)

    def head(self, world: World) -> str:
        person = world.people.get(self.by)
        mine = []
        if person and self.token:
            mine = [("Authorization", f"Bearer {person.tokens[self.token]}")]
        elif person:
            mine = [("Cookie", f"{world.cookie}={world.sessions[self.by]}")]
        body = world.filled(self.body)
        length = [("Content-Length", str(len(body)))] if body else []
        fields = [("Host", self.host), *mine, *length, *self.headers]
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{n}: {v}" for n, v in fields), "", ""]
        return world.filled("\r\n".join(lines))

    def tried(self, world: World) -> Verdict:
        """Send the request and return the verdict on the portal's answer."""
        sent = self.head(world) + world.filled(self.body)
        port = int(world.words["nginx"]) if self.by_nginx else world.stack.port
        return self.verdict(world, ask(port, [sent.encode("latin-1")], self.within))

    def verdict(self, world: World, answer: Answer) -> Verdict:
        first = f"{answer.status} {answer.head[:200]!r} {answer.body[:200]!r}"
        if answer.status == -1:
            return Verdict(self.severity, f"no answer within {self.within:g} s")
        if answer.status == 0 and self.closes:
            return Verdict("held", "the connection was closed")
        if answer.status not in self.answers:
            return Verdict(self.severity, first)
        found = [each for each in map(world.filled, self.without) if each in answer.text]
        missing = [each for each in map(world.filled, self.having) if each not in answer.text]
        if found or missing:
            return Verdict(self.severity, f"has {found}, has not {missing}: {first}")
        return Verdict("held", first[:120])


@dataclass(frozen=True)
class Raw(Request):
    """Text that is sent as it is; ``path`` is all of it."""

    def head(self, world: World) -> str:
        return world.filled(self.path)


def ask(port: int, pieces: Iterable[bytes], within: float) -> Answer:
    """Send the pieces until there is an answer, and return it."""
    end = time.monotonic() + within
    with socket.create_connection(("127.0.0.1", port), timeout=within) as visitor:
        send(visitor, pieces, end)
        visitor.settimeout(max(0.1, end - time.monotonic()))
        return heard(visitor)


def heard(visitor: socket.socket) -> Answer:
    """Return the next answer."""
    response = http.client.HTTPResponse(visitor)
    try:
        response.begin()
        head = str(response.headers)
        body = "" if response.status == 101 else response.read(500_000).decode("latin-1")
    except TimeoutError:
        return Answer(-1)
    except (http.client.HTTPException, OSError):
        return Answer(0)
    return Answer(response.status, f"{response.reason}\n{head}", body)


def send(visitor: socket.socket, pieces: Iterable[bytes], end: float) -> int:
    """Send until there is an answer, the connection is closed, or the time is over; return how many
    bytes were taken.
    """
    sent = 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            left = max(0.0, end - time.monotonic())
            answers, takes, _ = select.select([visitor], [visitor], [], left)
            if answers or not takes:
                return sent
            try:
                taken = visitor.send(rest)
            except OSError:
                return sent
            sent, rest = sent + taken, rest[taken:]
    return sent


def body_of(size: int) -> Iterator[bytes]:
    """Yield this many bytes, in pieces."""
    piece = b"x" * PIECE
    for _ in range(size // PIECE):
        yield piece
    yield b"x" * (size % PIECE)
