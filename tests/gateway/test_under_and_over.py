"""Each documented bound just under and just over it, where no other test of that part tries both.

Times are made short, and so are sizes that are not the point.
"""

from __future__ import annotations

import importlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from websockets.frames import Frame
from websockets.frames import Opcode as Kind

from portal.server import bodies, heads
from portal.server import socket as sockets
from sessions import jupyter_gateway
from sessions.gateway import connections, websocket
from sessions.models import Session
from tests.backends.waiting import until
from tests.gateway import test_own_sockets, wire
from tests.gateway.conftest import Browser
from tests.gateway.test_bodies import post
from tests.gateway.test_bounds import BOUNDS
from tests.gateway.test_socket_bounds import FEW, handshake, raw_socket, sending, sits_still
from tests.gateway.wire import UPGRADE, head

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored

fields, path = test_own_sockets.fields, test_own_sockets.path
PLENTY = 20.0
"""Seconds: for a limit that is not to be reached."""
TRIALS = {
    "request line and headers": ["heads_of", "lines_of", "test_bounds.test_more_cookies"],
    "time to receive them": ["slow_head", "test_heads.test_an_incomplete_head"],
    "headers of a notebook's response": ["header_of_a_response"],
    "body, for the portal's own": ["body_of_the_portal"],
    "time to receive such a body": ["slow_body", "test_bodies.test_an_incomplete_body"],
    "body, for notebooks": ["upload", "test_bounds.test_a_body_over"],
    "a WebSocket message of a notebook": ["test_socket_bounds.test_messages_of_up_to"],
    "a WebSocket message of the portal": ["own_message", "test_own_sockets.test_a_message"],
    "concurrent requests": ["test_socket_bounds.test_connections"],
    "sockets in one web process": ["waiting_sockets", "test_socket_bounds.test_one_socket"],
    "silence of a client": ["mute_client", "test_socket_bounds.test_a_silent_client"],
    "time to connect": ["late_connection", "no_connection"],
    "time until": ["late_handshake", "test_bounds.test_a_socket_that_is_not"],
    "silence of a notebook's server": ["test_nginx.test_a_notebook_that_is_silent"],
}
"""By the start of each row's name, the beginnings of the tests that try it, here or elsewhere."""


def test_each_documented_bound_has_a_trial():
    for row in BOUNDS:
        assert [start for start in TRIALS if row.startswith(start)], row
    for place in [each for tests in TRIALS.values() for each in tests]:
        module, _dot, name = place.rpartition(".")
        there = vars(importlib.import_module(f"tests.gateway.{module or 'test_under_and_over'}"))
        start = name if module else f"test_{name}"
        assert [each for each in there if each.startswith(start)], place


# --- Heads ---
def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(("more", "refused"), [(0, False), (20, True)])
def test_heads_of_64_kilobytes_are_read_and_larger_ones_are_not(port, more, refused):
    def request(padding: int) -> bytes:
        return head("localhost", "Connection: close", f"X-Long: {'x' * padding}")

    whole = request(heads.MAX_BYTES + more - len(request(0)))
    assert len(whole) == heads.MAX_BYTES + more
    assert (status(wire.ask(port, whole, within=PLENTY)) == 431) is refused


@pytest.mark.parametrize(("count", "refused"), [(heads.MAX_LINES, False), (257, True)])
def test_lines_of_a_head_are_counted(port, count, refused):
    more = [f"X-{number}: 1" for number in range(count - 2)]
    answer = wire.ask(port, head("localhost", "Connection: close", *more), within=PLENTY)
    assert (status(answer) == 431) is refused


def test_slow_heads_within_the_time_are_answered(port, monkeypatch):
    monkeypatch.setattr(heads, "SECONDS", PLENTY)
    whole = head("localhost", "Connection: close")
    assert status(sent_in_two(port, whole)) == status(wire.ask(port, whole, within=PLENTY))


def sent_in_two(port: int, request: bytes) -> bytes:
    """Send a request with a pause in it and return the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PLENTY) as connection:
        connection.sendall(request[:-1])
        time.sleep(0.3)
        connection.sendall(request[-1:])
        return wire.read(connection, time.monotonic() + PLENTY)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("more", "expected"), [(-50, 200), (50, 502)])
def test_header_of_a_response_just_under_and_over_the_bound(browser, count, more, expected):
    long = b"\r\nX-Long: " + b"x" * ((connections.MAX_HEADER_BYTES + more) // count)
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 0" + long * count + b"\r\n\r\n"
    with wire.notebook(lambda connection, _received: connection.sendall(response)) as address:
        Session.objects.update(address=address)
        assert status(asked(browser)) == expected


# --- Bodies ---
@pytest.mark.parametrize("address", ["/sign-in/", "/admin/portal/user/"])
@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_body_of_the_portal_just_under_and_over_the_bound(port, address, more, refused):
    size = bodies.max_bytes(address) + more
    request = post(address, f"Content-Length: {size}", "Connection: close") + b"x" * size
    assert (status(wire.ask(port, request, within=PLENTY)) == 413) is refused


def test_slow_body_within_the_time_is_read(port, monkeypatch):
    monkeypatch.setattr(bodies, "SECONDS", PLENTY)
    request = post("/sign-in/", "Content-Length: 4", "Connection: close") + b"half"
    assert status(sent_in_two(port, request)) != 408


@pytest.mark.slow("sends 512 MB", seconds=60)
def test_upload_of_512_megabytes_arrives_and_a_larger_one_is_refused_at_once(browser, notebook):
    piece = b"x" * 1024**2
    count = jupyter_gateway.MAX_BODY // len(piece)
    with browser.stream("/upload", "PUT", (piece for _number in range(count))) as answer:
        assert json.loads(answer.read())["size"] == jupyter_gateway.MAX_BODY
    notebook.forget()
    own = [f"{name}: {text}" for name, text in browser.headers({}).items() if name != "Host"]
    own.append(f"Content-Length: {jupyter_gateway.MAX_BODY + 1}")
    request = head(browser.host, *own, line="PUT /upload HTTP/1.1")
    answer = wire.ask(browser.port, request, enough=b"gateway.body-too-large")
    assert status(answer) == 413
    assert not notebook.seen


# --- Sockets ---
def test_own_message_of_64_kilobytes_is_read(port, path, fields):
    with test_own_sockets.opened(port, path, fields) as visitor:
        visitor.send("x" * sockets.MAX_MESSAGE)
        assert visitor.ping(b"x").wait(PLENTY)


def test_waiting_sockets_up_to_the_bound_stay_open(browser, monkeypatch):
    monkeypatch.setattr(connections, "MAX_BLOCKED", 2)
    data = Frame(Kind.BINARY, b"x" * 100_000).serialize(mask=False) * 10
    with sending(lambda: data, 400_000_000) as sent, ExitStack() as ends:
        visitors = [ends.enter_context(raw_socket(browser)) for _each in range(2)]
        until(lambda: sent[0] and sits_still(sent), PLENTY)
        for each in visitors:
            received = 0
            while received < 2 * FEW:  # a socket that was closed has less to read
                received += len(piece := each.recv(1_000_000))
                assert piece


def test_mute_clients_of_the_portals_own_sockets_are_closed(port, path, fields, monkeypatch):
    monkeypatch.setattr(sockets, "PING_INTERVAL", 0.05)
    monkeypatch.setattr(sockets, "PING_TIMEOUT", 0.3)
    lines = [f"{name}: {value}" for name, value in fields.items()]
    request = head(f"localhost:{port}", *lines, *UPGRADE, line=f"GET {path} HTTP/1.1")
    answer = wire.ask(port, request, within=PLENTY)
    assert answer.startswith(b"HTTP/1.1 101 ")
    close = answer[answer.rindex(b"\x88") :]
    assert int.from_bytes(close[2:4], "big") == 1001


def test_mute_clients_that_answer_in_time_stay(port, path, fields, monkeypatch):
    monkeypatch.setattr(sockets, "PING_INTERVAL", 0.05)
    monkeypatch.setattr(sockets, "PING_TIMEOUT", 1.0)
    with test_own_sockets.opened(port, path, fields) as visitor:
        time.sleep(1.5)  # longer than one that does not answer may stay
        assert visitor.ping(b"x").wait(PLENTY)


# --- Connections ---
WAYS = pytest.mark.parametrize("more", [(), UPGRADE], ids=["request", "upgrade"])


@contextmanager
def not_accepting() -> Iterator[socket.socket]:
    """Listen without accepting: the kernel answers one connection, and leaves the next waiting."""
    with socket.socket() as listener, ExitStack() as ends:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        listener.settimeout(PLENTY)
        address = listener.getsockname()
        Session.objects.update(address=f"http://127.0.0.1:{address[1]}")
        ends.enter_context(socket.create_connection(address, timeout=PLENTY))
        yield listener


def asked(browser: Browser, *more: str) -> bytes:
    own = [f"{name}: {text}" for name, text in browser.headers({}).items() if name != "Host"]
    request = head(browser.host, *own, *more, line="GET /socket HTTP/1.1")
    return wire.ask(browser.port, request, within=PLENTY, enough=b"\r\n\r\n")


@WAYS
def test_no_connection_within_the_time_is_503(browser, monkeypatch, more):
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT", 0.3)
    with not_accepting():
        assert status(asked(browser, *more)) == 503


@WAYS
def test_late_connection_within_5_seconds_is_used(browser, more):
    """The kernel repeats the first packet of a connection after a second."""
    with not_accepting() as listener:

        def serve() -> None:
            time.sleep(0.3)
            listener.accept()[0].close()
            connection = listener.accept()[0]
            answer(connection, connection.recv(65536))

        with ThreadPoolExecutor(1) as pool:
            serving = pool.submit(serve)
            assert status(asked(browser, *more)) == (101 if more else 200)
            serving.result(PLENTY)


def answer(connection: socket.socket, received: bytes) -> None:
    """Answer as a notebook's server that closes after that."""
    with connection:
        if b"websocket" in received:
            handshake(connection, received)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_late_handshake_within_the_time_opens_the_socket(browser, monkeypatch):
    def late(connection: socket.socket, received: bytes) -> None:
        time.sleep(0.3)
        answer(connection, received)

    monkeypatch.setattr(websocket, "HANDSHAKE_TIMEOUT", PLENTY)
    with wire.notebook(late) as address:
        Session.objects.update(address=address)
        assert status(asked(browser, *UPGRADE)) == 101
