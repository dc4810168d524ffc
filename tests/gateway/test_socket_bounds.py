"""Whatever a notebook or its visitor sends through a socket, the portal holds only a piece of
it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame
from websockets.frames import Opcode as Kind

from sessions.gateway import connections, proxy_websocket, websocket
from sessions.models import Session
from tests.backends.waiting import until
from tests.gateway import wire
from tests.gateway.wire import UPGRADE, head, read

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FEW = 16 * 1024 * 1024
"""Bytes that the kernel may hold for the two connections, and the portal a piece of."""


def handshake(connection: socket.socket, received: bytes) -> None:
    """Answer a handshake as a notebook's server."""
    (key,) = re.findall(rb"(?i)sec-websocket-key: (\S+)", received)
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


@contextmanager
def sending(data: Callable[[], bytes], most: int) -> Iterator[list[int]]:
    """Have the notebook send this over and over, up to ``most`` bytes; yield how many it has
    sent.
    """
    sent = [0]

    def answers(connection: socket.socket, received: bytes) -> None:
        handshake(connection, received)
        try:
            while sent[0] < most:
                piece = data()
                connection.sendall(piece)
                sent[0] += len(piece)
            while connection.recv(65536):
                pass
        except OSError:
            return

    with wire.notebook(answers) as address:
        Session.objects.update(address=address)
        yield sent


@pytest.fixture
def no_goodbyes(monkeypatch) -> None:
    """Do not wait long for the other side to close as well."""
    monkeypatch.setattr(proxy_websocket, "CLOSE_WITHIN", 0.3)


def sits_still(sent: list[int]) -> bool:
    before = sent[0]
    time.sleep(0.5)
    return sent[0] == before


def fragment(size: int) -> bytes:
    return Frame(Kind.CONT, b"x" * size, fin=False).serialize(mask=False)


FIRST = Frame(Kind.BINARY, b"x", fin=False).serialize(mask=False)


@pytest.mark.parametrize(
    "data",
    [
        Frame(Kind.BINARY, b"x" * 60_000_000).serialize(mask=False),
        Frame(Kind.BINARY, b"x" * 100_000).serialize(mask=False) * 10,
        Frame(Kind.BINARY, b"x").serialize(mask=False) * 100_000,
    ],
    ids=["large messages", "messages", "tiny messages"],
)
def test_backpressure_from_a_client_reaches_the_notebook(browser, data):
    with sending(lambda: data, 400_000_000) as sent, raw_socket(browser):
        until(lambda: sits_still(sent), 20)
        assert sent[0] < max(FEW, 2 * len(data))


def test_endless_fragments_close_the_socket_with_1009(browser):
    """At the limit, not when the message ends: the notebook sends a megabyte more, and waits."""
    rest, most = iter([FIRST]), websocket.MAX_MESSAGE + 1_000_000
    with (
        sending(lambda: next(rest, b"") + fragment(1_000_000), most),
        browser.socket() as visitor,
    ):
        with pytest.raises(ConnectionClosed) as closed:
            visitor.recv(30)
        assert closed.value.rcvd.code == 1009
        assert closed.value.rcvd.reason == "a message larger than 64 MB"


def test_a_frame_header_over_the_limit_closes_the_socket_at_once(browser, no_goodbyes):
    large = b"\x82\x7f" + (2**40).to_bytes(8, "big") + b"x" * 100_000
    with sending(lambda: large, 50_000_000), browser.socket() as visitor:
        with pytest.raises(ConnectionClosed) as closed:
            visitor.recv(10)
        assert closed.value.rcvd.code == 1009


@pytest.mark.slow("sends 64 MB there and back", seconds=60)
def test_messages_of_up_to_64_megabytes_pass_both_ways(browser, notebook):
    most = b"x" * websocket.MAX_MESSAGE
    with browser.socket() as visitor:
        visitor.send(most)
        assert visitor.recv(50) == most
        notebook.closed_with.clear()
        with suppress(ConnectionClosed):
            visitor.send(most + b"x")
        with pytest.raises(ConnectionClosed) as closed:
            visitor.recv(20)
        assert closed.value.rcvd.code == 1009
        assert closed.value.rcvd.reason == "a message larger than 64 MB"
    until(lambda: notebook.closed_with == [1009])


def raw_socket(browser: Any) -> socket.socket:
    """Return the visitor's side of an open socket."""
    connection = socket.create_connection(("127.0.0.1", browser.port), timeout=20)
    fields = [f"{name}: {value}" for name, value in browser.headers({}).items() if name != "Host"]
    connection.sendall(head(browser.host, *fields, *UPGRADE, line="GET /socket HTTP/1.1"))
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    assert received.startswith(b"HTTP/1.1 101 ")
    return connection


@pytest.mark.parametrize(
    "flood",
    [
        Frame(Kind.PING, b"x" * 125).serialize(mask=True) * 8_000,
        Frame(Kind.TEXT, b"x").serialize(mask=True) * 140_000,
        Frame(Kind.BINARY, b"x" * 1_000_000).serialize(mask=True),
    ],
    ids=["pings", "tiny messages", "messages"],
)
def test_a_client_that_sends_but_never_reads_is_blocked(browser, flood):
    with raw_socket(browser) as connection:
        connection.settimeout(1)
        sent = 0
        with suppress(TimeoutError):
            while sent < 3 * FEW:
                sent += connection.send(flood)
        assert sent < 3 * FEW


def test_empty_fragments_from_a_client_are_not_passed_on(browser, notebook):
    with raw_socket(browser) as connection:
        connection.sendall(Frame(Kind.TEXT, b"", fin=False).serialize(mask=True))
        for _round in range(20):
            connection.sendall(Frame(Kind.CONT, b"", fin=False).serialize(mask=True) * 5000)
        connection.sendall(Frame(Kind.CONT, b"end").serialize(mask=True))
        assert connection.recv(100) == Frame(Kind.TEXT, b"end").serialize(mask=False)


@pytest.mark.parametrize("bad", [b"\xc1\x00", b"\x81\x00", b"\x83\x80\x00\x00\x00\x00"])
def test_an_invalid_frame_closes_the_socket_with_1002(browser, no_goodbyes, bad):
    with raw_socket(browser) as connection:
        connection.sendall(bad)
        answer = read(connection, time.monotonic() + 10)
    assert answer[:2] == bytes((0x88, len(answer) - 2))
    assert int.from_bytes(answer[2:4], "big") == 1002


def test_pings_are_answered_by_the_gateway(browser):
    with browser.socket() as visitor:
        assert visitor.ping(b"hello").wait(5)
        visitor.send("still")
        assert visitor.recv(5) == "still"


def test_a_silent_client_is_pinged_and_closed_after_the_timeout(browser, no_goodbyes, monkeypatch):
    """Ten minutes; and is pinged meanwhile, so that nothing on the way forgets the connection."""
    monkeypatch.setattr(proxy_websocket, "PING_INTERVAL", 0.05)
    with raw_socket(browser) as connection:
        pings = b""
        while pings.count(b"\x89\x00") < 5:
            pings += connection.recv(100)
        monkeypatch.setattr(proxy_websocket, "PING_TIMEOUT", 0.2)
        rest = read(connection, time.monotonic() + 10)
    assert b"\x88\x02\x03\xe9" in rest


def test_one_socket_is_closed_when_too_many_are_blocked(browser, monkeypatch):
    """Each that waits holds half a megabyte, so their number bounds the process's memory."""
    assert connections.MAX_BLOCKED * connections.MAX_BUFFERED_BYTES <= 128 * 1024 * 1024
    monkeypatch.setattr(connections, "MAX_BLOCKED", 2)
    data = Frame(Kind.BINARY, b"x" * 100_000).serialize(mask=False) * 10
    with sending(lambda: data, 400_000_000), ExitStack() as ends:
        visitors = [ends.enter_context(raw_socket(browser)) for _each in range(3)]
        tails = dict.fromkeys(visitors, b"")
        assert until(lambda: _is_one_closed(tails, 1013), 20)


def _is_one_closed(tails: dict[socket.socket, bytes], code: int) -> bool:
    """Read what has arrived on all of them, and return whether one was closed with this code."""
    for each in select.select([*tails], [], [], 0.1)[0]:
        tails[each] = (tails[each] + each.recv(1_000_000))[-200:]
    return any(b"\x88" in tail and code.to_bytes(2, "big") in tail for tail in tails.values())


def test_connections_to_a_notebook_over_the_maximum_are_429(browser, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    with ExitStack() as ends:
        for _each in range(3):
            ends.enter_context(raw_socket(browser))
        answer = browser.ask("/x")
        assert (answer.status_code, answer.json()["code"]) == (429, "gateway.too-many")
    until(lambda: browser.ask("/x").status_code == 200)
