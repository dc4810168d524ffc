"""A socket of the portal's own pages accepts little: no page has much to send there."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame
from websockets.frames import Opcode as Kind
from websockets.sync.client import ClientConnection, connect

from portal.server import socket as sockets
from tests.gateway.conftest import browser_of
from tests.gateway.wire import UPGRADE, head, read

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored


@pytest.fixture
def fields(ada, project, port, settings) -> dict[str, str]:
    key = browser_of(ada, project).portal.session.session_key
    return {
        "Origin": f"http://localhost:{port}",
        "Cookie": f"{settings.SESSION_COOKIE_NAME}={key}",
    }


@pytest.fixture
def path(project) -> str:
    return f"/ws/projects/{project.name}/"


def opened(port: int, path: str, fields: dict[str, str]) -> ClientConnection:
    return connect(
        f"ws://localhost:{port}{path}",
        sock=socket.create_connection(("127.0.0.1", port)),
        additional_headers=fields,
    )


@pytest.mark.parametrize(
    "message",
    ["x" * (sockets.MAX_MESSAGE + 1), ["x" * 40_000, "y" * 40_000], [""] * 1000],
    ids=["large", "large in fragments", "many fragments"],
)
def test_a_message_that_is_too_large_closes_the_socket(port, path, fields, message):
    with opened(port, path, fields) as visitor:
        with suppress(ConnectionClosed):
            visitor.send(message)
        with suppress(ConnectionClosed):
            while True:
                visitor.recv(10)
    assert visitor.close_code == 1009


def test_small_messages_are_accepted_and_pings_are_answered(port, path, fields):
    with opened(port, path, fields) as visitor:
        visitor.send("{}")
        assert visitor.ping(b"x").wait(5)


def test_unread_pongs_are_not_buffered_without_limit(port, path, fields):
    pings = Frame(Kind.PING, b"x" * 125).serialize(mask=True) * 1000
    lines = [f"{name}: {value}" for name, value in fields.items()]
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # holds few answers
        connection.connect(("127.0.0.1", port))
        connection.settimeout(2)
        connection.sendall(head(f"localhost:{port}", *lines, *UPGRADE, line=f"GET {path} HTTP/1.1"))
        sent = 0
        with suppress(TimeoutError):
            while sent < 12_000_000:
                sent += connection.send(pings)
        answered = 0
        connection.settimeout(0.5)
        with suppress(TimeoutError):
            while piece := connection.recv(1_000_000):
                answered += len(piece)
    assert answered < 8_000_000


@pytest.mark.parametrize("wait", [0, 0.2])
def test_frames_sent_before_the_handshake_ends_are_read_after_it(port, path, fields, wait):
    lines = [f"{name}: {value}" for name, value in fields.items()]
    start = head(f"localhost:{port}", *lines, *UPGRADE, line=f"GET {path} HTTP/1.1")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(start)
        time.sleep(wait)
        connection.sendall(Frame(Kind.PING, b"early").serialize(mask=True))
        connection.sendall(Frame(Kind.CLOSE, b"\x03\xe8").serialize(mask=True))
        answer = read(connection, time.monotonic() + 10)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert Frame(Kind.PONG, b"early").serialize(mask=False) in answer


def test_a_silent_client_is_closed_after_ten_minutes():
    assert (sockets.PING_INTERVAL, sockets.PING_TIMEOUT) == (30, 600)


@pytest.mark.parametrize("extra", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_an_upgrade_request_with_a_body_is_refused(port, path, extra):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head("localhost", *UPGRADE, extra) + b"5\r\nhello\r\n0\r\n\r\n")
        assert not read(connection, time.monotonic() + 10).startswith(b"HTTP/1.1 101 ")
