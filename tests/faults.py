"""A proxy in front of a server of any protocol, which can be given a fault at any time.

    with FaultyProxy(("127.0.0.1", server.port)) as proxy:
        proxy.fault = SILENT
        ...
        proxy.fault = NONE

A fault concerns open connections as well as new ones.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.threadserver import ThreadServer

NONE = ""
SLOW = "slow"
"""Each piece of an answer comes `DELAY_SECONDS` late."""
SILENT = "silent"
"""Connections are accepted, and nothing goes through until the fault ends."""
CUT = "cut"
"""Connections are closed as soon as anything is to go through."""
DELAY_SECONDS = 0.7
_EMPTY = b"Content-Length: 0\r\nConnection: close\r\n\r\n"
ANSWERS = {
    "429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\n" + _EMPTY,
    "500": b"HTTP/1.1 500 Internal Server Error\r\n" + _EMPTY,
    "nonsense": b"\x00\xff*\r\n\r\n<html>[{\r\n" * 3,
}
"""Answers of the proxy itself, whatever comes, before it closes the connection."""
FAULTS = (SLOW, SILENT, CUT, *ANSWERS)


class FaultyProxy:
    """A proxy on a free port of loopback, which passes connections on to ``target``; it has
    ``accepted`` so many.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.accepted = 0
        self.alter: Callable[[bytes], bytes] = bytes
        """What becomes of each piece of an answer."""
        self.open: set[socket.socket] = set()
        self._fault = NONE
        self._changed = threading.Condition()
        self._server = _Server(_Connection)
        self._server.owner = self

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def address(self) -> str:
        return self._server.address

    @property
    def fault(self) -> str:
        return self._fault

    @fault.setter
    def fault(self, fault: str) -> None:
        with self._changed:
            self._fault = fault
            self._changed.notify_all()
        if fault == CUT:
            for each in list(self.open):
                _shut(each)

    def passes(self, *, answer: bool) -> bool:
        """Wait as long as the fault demands; return whether the bytes go through then."""
        with self._changed:
            self._changed.wait_for(lambda: self._fault != SILENT)
            if self._fault == SLOW and answer:
                self._changed.wait(DELAY_SECONDS)
            return self._fault in {NONE, SLOW}

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        self.fault = CUT
        self._server.__exit__()


class _Server(ThreadServer):
    owner: FaultyProxy


class _Connection(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        proxy = self.server.owner
        proxy.accepted += 1
        with suppress(OSError), socket.create_connection(proxy.target, 5) as upstream:
            upstream.settimeout(None)
            both = {self.request, upstream}
            proxy.open |= both
            try:
                back = threading.Thread(target=self._answer, args=(upstream,), daemon=True)
                back.start()
                self._ask(upstream)
                back.join()
            finally:
                proxy.open -= both

    def _ask(self, upstream: socket.socket) -> None:
        proxy = self.server.owner
        with suppress(OSError):
            while piece := self.request.recv(2**16):
                if not proxy.passes(answer=False):
                    self.request.sendall(ANSWERS.get(proxy.fault, b""))
                    _shut(self.request)
                    break
                upstream.sendall(piece)
        _shut(upstream)

    def _answer(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while piece := upstream.recv(2**16):
                if not self.server.owner.passes(answer=True):
                    break
                self.request.sendall(self.server.owner.alter(piece))
        _shut(self.request)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
