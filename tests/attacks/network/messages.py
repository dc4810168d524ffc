"""Socket messages: too large, without an end, of unknown kinds; from notebooks and from
visitors.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

from tests.attacks.acts import Act
from tests.attacks.cast import World
from tests.attacks.network.answers import memory
from tests.attacks.network.heads import SOCKET

KIND = "messages"
PIECE = bytes(2**18)
BOUND = 64 * 2**20
CEILING = 250
"""Megabytes by which the web process may grow, whatever one socket sends."""
FROM_NOTEBOOK = ("fragments", "huge", "many", "small", "pings")
ODD = ("long-control", "reserved", "unknown-opcode", "no-text", "close-of-one-byte", "close-999",
       "close-1006", "masked", "continuation")  # fmt: skip


def opened(world: World, path: str) -> socket.socket:
    """Open a socket to the hostile notebook, with mallory's token."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in SOCKET)
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {{hostile}}\r\nAuthorization: Bearer {{mallory_token}}\r\n"
        f"{lines}\r\n"
    )
    visitor = socket.create_connection(("127.0.0.1", world.stack.port), timeout=10)
    visitor.sendall(world.filled(head).encode())
    answer = heard_head(visitor)
    if " 101 " not in answer:
        visitor.close()
        raise AssertionError(f"the socket was not opened: {answer}")
    return visitor


def heard_head(visitor: socket.socket) -> str:
    """Return the head of the answer, read byte by byte: what follows belongs to the socket."""
    text = b""
    while not text.endswith(b"\r\n\r\n") and (byte := visitor.recv(1)):
        text += byte
    return text.decode("latin-1")


def _from_notebook(kind: str, *, reads: bool) -> Act:
    def act(world: World) -> str:
        pid = world.stack.part("web")
        before = most = memory(pid)
        got, closed = 0, False
        with opened(world, f"/ws/{kind}") as visitor:
            visitor.settimeout(0.2)
            end = time.monotonic() + 20
            while time.monotonic() < end and not closed and got < 320 * 2**20:
                if reads:
                    piece = _some(visitor)
                    closed, got = piece == b"", got + len(piece or b"")
                else:
                    time.sleep(0.05)
                    closed = time.monotonic() > end - 15
                most = max(most, memory(pid))
        return (
            f"{before} MB, then {most} MB after {got / 1e6:.0f} MB"
            if most - before > CEILING
            else ""
        )

    reader = "who reads" if reads else "who does not read"
    return Act(KIND, f"fill the gateway's memory with {kind} to a visitor {reader}", act,
               long=kind != "fragments" or not reads)  # fmt: skip


def _some(visitor: socket.socket) -> bytes | None:
    """Return what has come: empty if it is closed, None if nothing came."""
    try:
        return visitor.recv(2**20)
    except TimeoutError:
        return None
    except OSError:
        return b""


def _masked(opcode: int, size: int, *, final: bool) -> bytes:
    head = bytes([(0x80 if final else 0) | opcode, 0x80 | 127])
    return head + struct.pack(">Q", size) + bytes(4)


def _kinds(kind: str) -> Iterator[bytes]:
    """Yield what a visitor sends, at most 320 MB."""
    if kind == "fragments":
        yield _masked(2, len(PIECE), final=False) + PIECE
        for _ in range(1200):
            yield _masked(0, len(PIECE), final=False) + PIECE
    elif kind == "one huge message":
        yield _masked(2, 2**33, final=True)
        for _ in range(1200):
            yield PIECE
    elif kind == "many messages":
        for _ in range(1200):
            yield _masked(2, len(PIECE), final=True) + PIECE


def _from_visitor(kind: str, path: str, *, long: bool = False) -> Act:
    def act(world: World) -> str:
        pid = world.stack.part("web")
        before = most = memory(pid)
        sent = 0
        with opened(world, path) as visitor:
            visitor.settimeout(5)
            for piece in _kinds(kind):
                try:
                    visitor.sendall(piece)
                except OSError:  # closed, or nobody takes more
                    break
                sent += len(piece)
                most = max(most, memory(pid))
        grown = most - before > CEILING
        return f"{before} MB, then {most} MB after {sent / 1e6:.0f} MB" if grown else ""

    whom = "a notebook that does not read" if path == "/ws/deaf" else "a notebook"
    return Act(
        KIND, f"fill the gateway's memory with {kind} from a visitor to {whom}", act, long=long
    )


def _over(world: World) -> str:
    """Try to get a message above the limit passed on whole."""
    with opened(world, "/ws/over") as visitor:
        visitor.settimeout(20)
        got = _all(visitor, BOUND + 2**20)
    return f"{got / 1e6:.0f} MB" if got > BOUND + 100_000 else ""


def _under(world: World) -> str:
    """Send a message of 12 MB, which is passed on."""
    with opened(world, "/ws/under") as visitor:
        visitor.settimeout(20)
        got = _all(visitor, 12 * 2**20)
    return f"{got / 1e6:.0f} MB" if got >= 12 * 2**20 else ""


def _all(visitor: socket.socket, most: int) -> int:
    got = 0
    while got < most:
        piece = _some(visitor)
        if not piece:
            break
        got += len(piece)
    return got


def _odd(kind: str) -> Act:
    """Send something that is not a frame: it ends this socket and nothing else."""

    def act(world: World) -> str:
        with opened(world, f"/ws/{kind}") as visitor:
            visitor.settimeout(1)
            _all(visitor, 10_000)
        with opened(world, "/ws/echo"):
            healthy = world.stack.is_healthy()
        return "" if healthy else "the portal is not well any more"

    return Act(KIND, f"send a visitor what is no frame: {kind}", act)


def _to_portal(world: World) -> str:
    """Send messages to one of the portal's own sockets, where visitors have nothing to say."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in SOCKET)
    head = world.filled(
        "GET /ws/projects/{hostile_project}/ HTTP/1.1\r\nHost: localhost:{port}\r\n"
        "Authorization: Bearer {mallory_token}\r\n" + lines + "\r\n"
    )
    pid = world.stack.part("web")
    before = most = memory(pid)
    with socket.create_connection(("127.0.0.1", world.stack.port), timeout=5) as visitor:
        visitor.sendall(head.encode())
        if " 101 " not in heard_head(visitor):
            return "the socket was not opened"
        for piece in _kinds("fragments"):
            try:
                visitor.sendall(piece)
            except OSError:
                break
            most = max(most, memory(pid))
    return f"{before} MB, then {most} MB" if most - before > CEILING else ""


ATTEMPTS = (
    *(_from_notebook(kind, reads=True) for kind in FROM_NOTEBOOK),
    *(_from_notebook(kind, reads=False) for kind in ("fragments", "huge", "many")),
    _from_visitor("fragments", "/ws/echo"),
    _from_visitor("one huge message", "/ws/echo"),
    _from_visitor("many messages", "/ws/deaf", long=True),
    Act(KIND, "fill the portal's memory by its own sockets", _to_portal),
    Act(KIND, "send a visitor a message above the bound", _over),
    *(_odd(kind) for kind in ODD),
    Act(KIND, "send a visitor a message of 12 MB", _under, control=True),
)
