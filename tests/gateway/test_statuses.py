"""A status that no server may send as a final one is a bad answer; above all it opens no tunnel."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sessions.models import Session
from tests.gateway import wire
from tests.gateway.conftest import Browser
from tests.gateway.wire import UPGRADE, head

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored

PAST = head("localhost", "Connection: close", line="GET /sign-in/ HTTP/1.1")
"""A request that would reach web through a tunnel, as if nothing were in front of it."""


@contextmanager
def answering(start: bytes) -> Iterator[None]:
    """Have the notebook answer with this status, as if it spoke another protocol from then on."""

    def answers(connection: socket.socket, received: bytes) -> None:
        connection.sendall(start + b"\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n")
        while connection.recv(65536):
            pass

    with wire.notebook(answers) as address:
        Session.objects.update(address=address)
        yield


def asked(browser: Browser, *fields: str) -> bytes:
    own = [f"{name}: {value}" for name, value in browser.headers({}).items() if name != "Host"]
    return head(browser.host, *own, *fields, line="GET /x HTTP/1.1")


STATUSES = [
    b"HTTP/1.1 101 x", b"HTTP/1.1 600 x", b"HTTP/1.1 999 x", b"HTTP/1.1 99 x", b"HTTP/1.1 2000 x",
    b"HTTP/1.1 -20 x", b"HTTP/1.1 x", b"\x00\xff",
]  # fmt: skip
FOO = ("Connection: Upgrade", "Upgrade: foo")
WAYS = [("Connection: close",), FOO, (*FOO, "Content-Length: 0"), ("Upgrade: foo",), UPGRADE]


@pytest.mark.parametrize("start", STATUSES)
@pytest.mark.parametrize("fields", WAYS)
def test_an_invalid_status_of_a_notebook_is_a_gateway_error(browser, start, fields):
    with answering(start):
        answer = wire.ask(browser.port, asked(browser, *fields) + PAST, within=10)
    assert_refused(answer, is_handshake=start == STATUSES[0] and fields == UPGRADE)


def assert_refused(answer: bytes, *, is_handshake: bool) -> None:
    """Assert that the gateway refuses the answer: with 502, or with 503 for a handshake that fits
    no request, which counts as no answer.
    """
    assert answer.startswith(b"HTTP/1.1 503 " if is_handshake else b"HTTP/1.1 502 ")
    assert b'"code": "gateway.' in answer
    assert b"HTTP/1.1 101" not in answer
