"""A request's head is limited, an upgrade's as well, before anybody asks who sent it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from portal.server import heads
from portal.server.connection import MAX_PIPELINED
from tests.gateway.wire import UPGRADE, ask, head, read

PORTAL, NOTEBOOK = "localhost", "ada-flowers-aaaaaaaa.localhost"
pytestmark = pytest.mark.one_database  # about what is sent, not what is stored

SOON = 3.0
"""Seconds: far less than a head may take."""


def status(answer: bytes) -> int:
    assert answer, "no answer at all"
    return int(answer.split(b" ", 2)[1])


@pytest.fixture(params=[PORTAL, NOTEBOOK])
def host(request, port) -> str:
    return f"{request.param}:{port}"


@pytest.fixture(params=[(), UPGRADE], ids=["request", "upgrade"])
def fields(request) -> tuple[str, ...]:
    return request.param


@pytest.mark.parametrize(
    "more",
    [
        ("X-Long: " + "x" * 9_000,),
        tuple(f"X-{number}: 1" for number in range(130)),
        ("Cookie: " + "; ".join(f"c{number}={'x' * 4000}" for number in range(14)),),
    ],
    ids=["a line of 9 KB", "130 lines", "cookies of 56 KB"],
)
def test_a_head_within_the_limit_is_answered_normally(port, host, fields, more):
    plain = ask(port, head(host, *fields, "Connection: close"), within=20)
    large = ask(port, head(host, *fields, *more, "Connection: close"), within=20)
    assert status(large) == status(plain)


def test_a_query_of_nine_thousand_characters_is_answered_normally(port, host, fields):
    line = f"GET /?{'x' * 9000} HTTP/1.1"
    plain = ask(port, head(host, *fields, "Connection: close"), within=20)
    assert status(ask(port, head(host, *fields, "Connection: close", line=line), within=20)) == (
        status(plain)
    )


@pytest.mark.parametrize(
    ("more", "line", "expected"),
    [
        (("X-Long: " + "x" * 70_000,), "GET / HTTP/1.1", 431),
        (tuple(f"X-{number}: {'x' * 1000}" for number in range(70)), "GET / HTTP/1.1", 431),
        (tuple(f"X-{number}: 1" for number in range(300)), "GET / HTTP/1.1", 431),
        (("x" * 70_000 + ": 1",), "GET / HTTP/1.1", 431),
        ((), f"GET /?{'x' * 70_000} HTTP/1.1", 414),
        ((), f"GET /{'x' * 5_000_000} HTTP/1.1", 414),
        (("X-Long: " + "x" * 5_000_000,), "GET / HTTP/1.1", 431),
    ],
    ids=["a line", "many lines", "300 lines", "a name", "a query", "5 MB of a path", "5 MB"],
)
def test_a_head_over_the_limit_is_refused_at_once(port, host, fields, more, line, expected):
    answer = ask(port, head(host, *fields, *more, line=line), within=SOON)
    assert status(answer) == expected
    assert b"connection: close" in answer.lower()
    assert b"clear-site-data" not in answer.lower()


@pytest.mark.parametrize("place", ["/api/v1/me/", "/build/gh/o/r/HEAD"])
def test_the_apis_get_json_for_a_head_over_the_limit(port, place):
    answer = ask(port, head("localhost", line=f"GET {place}?{'x' * 70_000} HTTP/1.1"), within=SOON)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request.address-too-long"


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nX-Long: "])
def test_an_endless_head_is_refused(port, begun):
    answer = ask(port, begun + b"x" * 3_000_000, within=SOON)
    assert status(answer) in {414, 431}


def test_cookies_over_the_limit_are_cleared_with_an_explanation(port, host, fields):
    """A notebook's page can plant 38 cookies of 4 KB on a domain above it."""
    cookies = "Cookie: " + "; ".join(f"planted{number}={'x' * 4000}" for number in range(38))
    answer = ask(port, head(host, *fields, cookies), within=SOON)
    headers, _empty, page = answer.partition(b"\r\n\r\n")
    assert status(answer) == 431
    assert b'\r\nclear-site-data: "cookies"' in headers
    assert b"delete the cookies" in page


def test_api_clients_get_json_for_an_oversized_head(port):
    answer = ask(port, head("localhost", "X: " + "x" * 70_000, line="GET /api/v1/me/ HTTP/1.1"))
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["code"] == "request.head-too-large"
    assert "64 KB" in body["detail"]


# --- Time ---
Send = Callable[[socket.socket], None]


def nothing(connection: socket.socket) -> None:
    """Connect and send nothing."""


def half_a_head(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: local")


def half_an_upgrade(connection: socket.socket) -> None:
    connection.sendall(b"\r\n".join([b"GET / HTTP/1.1", *(each.encode() for each in UPGRADE)]))


def a_second_head(connection: socket.socket) -> None:
    connection.sendall(head("localhost", line="GET /health HTTP/1.1") + b"GET / HT")


@pytest.mark.parametrize("send", [nothing, half_a_head, half_an_upgrade, a_second_head])
def test_an_incomplete_head_times_out(port, monkeypatch, send: Send):
    monkeypatch.setattr(heads, "SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        send(connection)
        answer = read(connection, time.monotonic() + 10)
    assert (b" 408 " in answer) is (send in {half_a_head, half_an_upgrade})


@pytest.mark.parametrize("drop", [b"\r\n", b"x", b"x-y: z\r\n"])
def test_a_trickle_of_bytes_does_not_extend_the_timeout(port, monkeypatch, drop):
    monkeypatch.setattr(heads, "SECONDS", 0.3)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" if drop != b"\r\n" else drop)
        with suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - began < 10:
                connection.sendall(drop)
                time.sleep(0.05)
    assert time.monotonic() - began < 9


def test_the_head_timeout_is_20_seconds_and_the_limit_64_kb():
    assert heads.SECONDS == 20
    assert heads.MAX_BYTES == 65536


# --- What else has no end ---
CHUNKED = head("localhost", "Transfer-Encoding: chunked", line="POST /sign-in/ HTTP/1.1")


@pytest.mark.parametrize(
    "rest",
    [
        b"1;" + b"x" * 3_000_000,
        b"0\r\n" + b"x-trailer: y\r\n" * 300_000,
        b"0\r\nx-trailer: " + b"x" * 3_000_000,
        b"1" * 3_000_000,
        b"f" * 17 + b"\r\nx",
        b"4\nabcd\n0\n\n",
    ],
    ids=["a chunk's extension", "trailers", "a trailer", "a chunk's size", "too large", "no CR"],
)
def test_what_is_wrong_with_a_chunk_or_a_trailer_is_answered(port, rest):
    assert status(ask(port, CHUNKED + rest, within=SOON)) in {400, 431}


def test_trailers_do_not_become_headers(port, browser):
    """Else somebody could claim in them where a request came from."""
    request = head(
        browser.host,
        f"Cookie: {browser.headers({})['Cookie']}",
        f"Origin: {browser.origin}",
        "Connection: close",
        "Transfer-Encoding: chunked",
        line="POST /x HTTP/1.1",
    )
    answer = ask(port, request + b"1\r\nx\r\n0\r\nX-Late: 1\r\n\r\n", within=20)
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert seen["size"] == 1
    assert "x-late" not in dict(seen["headers"])


@pytest.mark.parametrize("amount", [MAX_PIPELINED + 5, 5000])
def test_of_pipelined_requests_only_some_are_answered(port, amount):
    one = head("localhost", line="GET /health HTTP/1.1")
    answer = ask(port, one * amount, within=20)
    assert answer.count(b"HTTP/1.1 ") == MAX_PIPELINED + 1
