"""Answers of notebook servers: none reaches beyond its own host, confuses an intermediary, or makes
the gateway fail.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from tests.attacks.acts import Act
from tests.attacks.cast import World
from tests.attacks.network.heads import SOCKET
from tests.attacks.wire import OK, Request, ask, heard

KIND = "answers of notebooks"
BAD = frozenset({502, 503})
STATUSES = ("0", "1", "42", "99", "100", "101", "102", "103", "150", "199", "600", "700", "999", "1000",
            "-1", "2e2", "20", "99999", "OK")  # fmt: skip
GARBLED = ("nothing", "no-http", "old", "two-lengths", "negative-length", "length-of-letters",
           "nul-in-header", "blank-in-name", "no-colon", "long-line", "many-lines",
           "other-protocol")  # fmt: skip
TAMED = {
    "early": (OK | BAD, ()),
    "processing": (OK | BAD, ()),
    "length-and-chunks": (OK | BAD, ()),
    "two-answers": (OK | BAD, ("X-Planted", "x-planted")),
    "chunk-negative": (OK | BAD | {0}, ()),
    "chunk-huge": (OK | BAD | {0}, ()),
    "line-in-header": (OK | BAD, ("\nX-Planted", "\nx-planted")),
    "folded-header": (OK | BAD, ("\nX-Planted", "\nx-planted")),
    "orders": (OK, ("x-accel", "x-sendfile", "X-Accel", "X-Sendfile")),
    "site": (OK, ("clear-site-data", "alt-svc", "strict-transport-security", "evil.example")),
    "framed": (OK, ()),
}
_MINE: dict[str, Any] = {"by": "mallory", "token": "all", "host": "{hostile}", "within": 15}


def _tunnel(world: World) -> str:
    """Ask for a protocol that the gateway does not know, and speak it past the gateway."""
    for protocol in ("foo", "h2c", "websocket, foo", "TLS/1.0"):
        head = (
            "GET /odd/other-protocol HTTP/1.1\r\nHost: {hostile}\r\nAuthorization: Bearer"
            f" {{mallory_token}}\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        )
        answer = ask(world.stack.port, [world.filled(head).encode()], 10)
        if answer.status == 101:
            return f"101 to Upgrade: {protocol}"
    return ""


def _no_upgrade(world: World) -> str:
    """Answer 101 to a socket without a handshake."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in SOCKET)
    head = (
        "GET /odd/other-protocol HTTP/1.1\r\nHost: {hostile}\r\n"
        "Authorization: Bearer {mallory_token}\r\n" + lines + "\r\n"
    )
    answer = ask(world.stack.port, [world.filled(head).encode()], 10)
    return answer.head if answer.status == 101 else ""


def _endless(world: World) -> str:
    """Read an endless answer slowly: the gateway must not buffer what nobody has taken."""
    pid = world.stack.part("web")
    before = memory(pid)
    head = (
        "GET /endless HTTP/1.1\r\nHost: {hostile}\r\nAuthorization: Bearer {mallory_token}\r\n\r\n"
    )
    visitors = []
    for _ in range(5):
        visitor = socket.create_connection(("127.0.0.1", world.stack.port), timeout=5)
        visitor.sendall(world.filled(head).encode())
        visitors.append(visitor)
    most = _highest(pid, 4)
    for visitor in visitors:
        visitor.close()
    return f"{before} MB, then {most} MB" if most - before > 150 else ""


def memory(pid: int | None) -> int:
    """Return the memory of a process in MB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        line = next(each for each in file if each.startswith("VmRSS"))
    return int(line.split()[1]) // 1000


def _highest(pid: int | None, seconds: float) -> int:
    """Return the peak memory of the process within this time, in MB."""
    end, most = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        most = max(most, memory(pid))
        time.sleep(0.05)
    return most


def _next_visitor(world: World) -> str:
    """Send a second answer behind the first: it must not become somebody else's."""
    head = "GET {path} HTTP/1.1\r\nHost: {hostile}\r\nAuthorization: Bearer {mallory_token}\r\n\r\n"
    for path in ("/odd/two-answers", "/echo", "/echo", "/echo"):
        with socket.create_connection(("127.0.0.1", world.stack.port), timeout=10) as visitor:
            visitor.sendall(world.filled(head.replace("{path}", path)).encode())
            answer = heard(visitor)
        if "answered" in answer.body or "planted" in answer.head.lower():
            return answer.text
    return ""


def _told(world: World) -> str:
    """Return which secrets of the portal or of the visitor reach the server: there must be none."""
    head = (
        "GET /echo HTTP/1.1\r\nHost: {hostile}\r\nAuthorization: Bearer {mallory_token}\r\n"
        "Cookie: {cookie}={mallory_session}; own=1\r\nX-Bindery-Secret: guess\r\n"
        "X-Forwarded-For: 192.0.2.1\r\n\r\n"
    )
    text = ask(world.stack.port, [world.filled(head).encode()], 10).body
    words = ["mallory_token", "mallory_session"]
    found = [word for word in words if world.words[word] in text]
    found += [word for word in ("x-bindery-secret", "x-forwarded-for", "192.0.2.1") if word in text]
    return ", ".join(found) if "own=1" in text else f"the server was not asked: {text[:200]}"


def _left_alone(world: World) -> str:
    """Leave a hundred requests to a server that is silent: others are still answered at once."""
    head = (
        "GET /silent HTTP/1.1\r\nHost: {hostile}\r\nAuthorization: Bearer {mallory_token}\r\n\r\n"
    )
    with contextlib.ExitStack() as kept:
        for _ in range(100):
            visitor = socket.create_connection(("127.0.0.1", world.stack.port), timeout=5)
            kept.enter_context(visitor)
            visitor.sendall(world.filled(head).encode())
        begun = time.monotonic()
        look = "GET /api/contents HTTP/1.1\r\nHost: {alice_project}.localhost:{port}\r\n" \
               "Authorization: Bearer {alice_token}\r\n\r\n"  # fmt: skip
        answer = ask(world.stack.port, [world.filled(look).encode()], 10)
        took = time.monotonic() - begun
    return f"{answer.status} after {took:.1f} s" if answer.status != 200 or took > 5 else ""


ATTEMPTS = (
    *(
        Request(KIND, f"answer with the status {status}", f"/status/{status}",
                answers=BAD, **_MINE)
        for status in STATUSES
    ),
    *(
        Request(KIND, f"answer with what is no answer: {name}", f"/odd/{name}",
                answers=BAD | ({431} if name in {"long-line", "many-lines"} else set()), **_MINE)
        for name in GARBLED
    ),
    *(
        Request(KIND, f"answer oddly: {name}", f"/odd/{name}", answers=answers, without=without,
                closes=0 in answers, **_MINE)
        for name, (answers, without) in TAMED.items()
    ),
    Request(KIND, "plant cookies", "/odd/cookies?{cookie}", answers=OK,
            without=("Domain=", "domain=", "{cookie}=planted", "{cookie}-notebook=planted"),
            **_MINE),
    Request(KIND, "be framed by other sites", "/odd/framed", answers=OK,
            having=("frame-ancestors 'self'",), **_MINE),
    Act(KIND, "open a raw tunnel by another protocol", _tunnel),
    Act(KIND, "open a socket without shaking hands", _no_upgrade),
    Act(KIND, "answer without an end", _endless, long=True),
    Act(KIND, "leave an answer behind for the next visitor", _next_visitor),
    Act(KIND, "learn the visitor's secrets", _told),
    Act(KIND, "hold up other notebooks by silence", _left_alone),
    Request(KIND, "answer as a server should", "/status/200", answers=OK, control=True, **_MINE),
    Request(KIND, "answer that it is a teapot", "/status/418", answers=frozenset({418}),
            control=True, **_MINE),
)  # fmt: skip
