"""Request heads: too long, too many lines, without an end; for pages and for sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.attacks.attempt import Verdict
from tests.attacks.cast import World
from tests.attacks.wire import PORTAL, REFUSED, Raw, Request

KIND = "heads"
NOTEBOOK = "{alice_project}.localhost:{port}"
OVER = frozenset({400, 414, 431})
"""Statuses of a refusal; HTTP servers send 400 by themselves."""
ANSWERED = REFUSED | {101, 200, 302}
SOCKET = (("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
          ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))  # fmt: skip
TARGETS = {
    "a page of the portal": (PORTAL, "/", ()),
    "the API": (PORTAL, "/api/v1/me/", ()),
    "a socket of the portal": (PORTAL, "/ws/projects/x/", (*SOCKET, ("Origin", "{url}"))),
    "a page of a notebook": (NOTEBOOK, "/lab", ()),
    "a socket of a notebook": (NOTEBOOK, "/api/kernels/x/channels", SOCKET),
}
SHAPES = {
    "with a line of 9,000 characters": ("", [("X-Long", "x" * 9_000)], ANSWERED),
    "with 130 lines": ("", [(f"X-{n}", "x") for n in range(130)], ANSWERED),
    "with a query of 9,000 characters": ("?" + "q" * 9_000, [], ANSWERED),
    "with a line of 200,000 characters": ("", [("X-Long", "x" * 200_000)], OVER),
    "with 20,000 lines": ("", [(f"X-{n}", "x" * 8) for n in range(20_000)], OVER),
    "with a query of 200,000 characters": ("?" + "q" * 200_000, [], OVER),
    "with cookies of 150,000 characters": (
        "", [("Cookie", "; ".join(f"c{n}=" + "x" * 3_900 for n in range(38)))], OVER),
}  # fmt: skip


@dataclass(frozen=True)
class Unended(Raw):
    """A head that comes a little each second and never ends: the connection has to be closed."""

    lasts: float = field(default=30, kw_only=True)

    def tried(self, world: World) -> Verdict:
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", world.stack.port), timeout=5) as visitor:
            visitor.sendall(world.filled(self.path).encode())
            visitor.settimeout(1)
            while time.monotonic() - begun < self.lasts:
                if _is_closed(visitor):
                    return Verdict("held", f"closed after {time.monotonic() - begun:.0f} s")
        return Verdict(self.severity, f"open after {self.lasts:g} s")


def _is_closed(visitor: socket.socket) -> bool:
    try:
        visitor.sendall(b"X-More: x\r\n")
        while visitor.recv(4000):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def _shapes() -> Iterator[Request]:
    for target, (host, path, more) in TARGETS.items():
        for shape, (query, lines, answers) in SHAPES.items():
            yield Request(
                KIND,
                f"ask for {target} {shape}",
                path + query,
                host=host,
                headers=(*more, *lines),
                answers=answers,
                within=5,
            )


ATTEMPTS = (
    *_shapes(),
    *(
        Unended(KIND, f"begin a head for {what} and never end it", text, long=True)
        for what, text in (
            ("a page", "GET / HTTP/1.1\r\nHost: localhost:{port}\r\n"),
            ("a notebook", "GET / HTTP/1.1\r\nHost: {alice_project}.localhost:{port}\r\n"),
            ("a socket", "GET /ws/projects/x/ HTTP/1.1\r\nHost: localhost:{port}\r\n"
             "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        )
    ),
    Unended(KIND, "connect and say nothing", "", long=True),
    Request(KIND, "be shut out by 38 large cookies and not told how to get rid of them",
            headers=tuple(SHAPES["with cookies of 150,000 characters"][1]),
            answers=frozenset({431}), having=('"cookies"',)),
    Request(KIND, "ask for a page of the portal", "/", answers=frozenset({200}), control=True),
)  # fmt: skip
