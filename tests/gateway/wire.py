"""Speak HTTP by hand, as no library does: to the server, and as a notebook."""

from __future__ import annotations

import socket
import socketserver
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.threadserver import ThreadServer

UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def ask(port: int, request: bytes, *, within: float = 5.0, enough: bytes = b"") -> bytes:
    """Return all that is answered until the connection is closed or ``enough`` has come; what
    cannot be sent any more is dropped. Fails if the answer takes longer than ``within`` seconds.
    """
    ends_at = time.monotonic() + within
    with socket.create_connection(("127.0.0.1", port), timeout=within) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        return read(connection, ends_at, enough)


def read(connection: socket.socket, ends_at: float, enough: bytes = b"") -> bytes:
    """Return what arrives until the connection is closed or ``enough`` has come; fails if that is
    not so by ``ends_at``.
    """
    answer = b""
    while not enough or enough not in answer:
        connection.settimeout(max(0.01, ends_at - time.monotonic()))
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return answer
        if not piece:
            return answer
        answer += piece
    return answer


def head(host: str, *fields: str, line: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join([line, f"Host: {host}", *fields, "", ""]).encode()


@contextmanager
def notebook(answers: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """Serve a notebook's server that passes each connection, with its first head, to ``answers``;
    yield its address.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received = b""
            while b"\r\n\r\n" not in received:
                if not (piece := self.request.recv(65536)):
                    return
                received += piece
            answers(self.request, received)

    with ThreadServer(Handler) as server:
        yield f"http://{server.address}"
