"""Requests and answers pass through whole, unchanged, piece by piece, and end together."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import socket
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from sessions.gateway.connections import UpstreamPool
from sessions.models import Session
from tests.backends.waiting import until
from tests.gateway.conftest import Browser
from tests.gateway.notebook import PIECE

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored


def raw(browser: Browser, request: bytes) -> bytes:
    """Return the answer to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", browser.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def head(browser: Browser, line: str, *fields: str) -> bytes:
    lines = [line, *(f"{name}: {value}" for name, value in browser.headers({}).items()), *fields]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb/%7E/%e4//..%2e/./x;y=1?q=%20+&&r=[]{}|^&a=/?",
        "/lab/tree/a%20b",
        "//evil.example/x",
        "/http://evil.example/x",
        "/@evil.example/",
        "/?",
    ],
)
def test_the_path_is_kept_byte_for_byte(browser, target):
    answer = raw(browser, head(browser, f"GET {target} HTTP/1.1"))
    (seen,) = re.findall(rb'"target": "([^"]*)"', answer)
    assert seen.decode() == (target if target != "/?" else "/")


@pytest.mark.parametrize(
    "line", ["GET http://evil.example", "OPTIONS *", "CONNECT evil:1", "GET /\xff", "GET /?\xff"]
)
def test_an_invalid_request_target_is_harmless(browser, notebook, line):
    notebook.seen.clear()
    answer = raw(browser, head(browser, f"{line} HTTP/1.1"))
    assert b"evil" not in answer
    assert not answer.startswith(b"HTTP/1.1 5")
    assert notebook.seen in ([], ["/"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_passes_through(browser, method):
    answer = browser.ask("/x", method)
    assert answer.status_code == 200
    if method != "HEAD":
        assert answer.json()["method"] == method


def test_a_large_body_arrives_whole_with_and_without_a_length(browser):
    content = os.urandom(8 * 1024 * 1024)
    digest = hashlib.sha256(content).hexdigest()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    for body in (content, pieces()):
        seen = browser.ask("/api/contents/x", "PUT", body).json()
        assert (seen["size"], seen["digest"]) == (len(content), digest)


def test_a_large_response_arrives_whole(browser):
    size = 0
    with browser.stream("/large") as answer:
        assert answer.headers["content-length"] == str(1024 * len(PIECE))
        for piece in answer.iter_raw():
            size += len(piece)
    assert size == 1024 * len(PIECE)


def test_a_response_is_streamed_as_it_is_sent(browser):
    with browser.stream("/stream") as answer:  # which never ends
        assert next(answer.iter_raw()).startswith(b"tick\n")


def test_compressed_responses_stay_compressed(browser):
    answer = browser.ask("/gzip", Accept_Encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == b"packed " * 100


def test_redirects_are_passed_to_the_browser(browser):
    answer = browser.ask("/away")
    assert (answer.status_code, answer.headers["location"]) == (302, "http://elsewhere.example/")


def test_a_client_that_disconnects_ends_the_request(browser, notebook):
    notebook.forget()
    for path in ("/stream", "/never"):
        with socket.create_connection(("127.0.0.1", browser.port)) as connection:
            connection.sendall(head(browser, f"GET {path} HTTP/1.1"))
            until(partial(notebook.seen.count, path))
        until(partial(notebook.broken_off.count, path))


@pytest.mark.parametrize("length", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_an_aborted_body_is_aborted_towards_the_notebook(browser, notebook, length):
    notebook.forget()
    with socket.create_connection(("127.0.0.1", browser.port)) as connection:
        connection.sendall(head(browser, "PUT /half-a-file HTTP/1.1", length) + b"5\r\nhello\r\n")
        until(lambda: "/half-a-file" in notebook.seen)
    until(lambda: "/half-a-file" in notebook.broken_off)


def test_an_aborted_response_is_aborted_towards_the_client(browser):
    with pytest.raises(httpx.RemoteProtocolError):
        browser.ask("/half")


def test_an_unreachable_server_is_503_with_a_link_to_the_project(browser, project):
    Session.objects.update(address="unix:/nowhere/socket")
    page = browser.open_page()
    assert page.status_code == 503
    assert "does not answer" in page.text
    assert f"/projects/{project.name}/" in page.text
    answer = browser.ask("/api/status")
    assert (answer.status_code, answer.json()["code"]) == (503, "gateway.no-answer")


def test_a_server_on_a_tcp_port_is_reached(browser):
    with socket.create_server(("127.0.0.1", 0)) as server:
        Session.objects.update(address=f"http://127.0.0.1:{server.getsockname()[1]}")
        server.settimeout(10)
        with socket.create_connection(("127.0.0.1", browser.port)) as connection:
            connection.sendall(head(browser, "GET /a?b HTTP/1.1"))
            with server.accept()[0] as served:
                request = served.recv(65536)
                served.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
            assert connection.makefile("rb").read().endswith(b"until the end\r\n0\r\n\r\n")
    assert request.startswith(b"GET /a?b HTTP/1.1\r\n")
    assert f"host: {browser.host}\r\n".encode() in request.lower()


def test_the_pool_closes_idle_clients_over_its_maximum(monkeypatch):
    monkeypatch.setattr("sessions.gateway.connections.MAX_CLIENTS", 2)

    async def use() -> list[bool]:
        upstreams = UpstreamPool()
        async with upstreams.acquire("unix:/busy") as busy:
            used = [busy.client]
            for number in range(4):
                async with upstreams.acquire(f"unix:/{number}") as other:
                    used.append(other.client)
            closed = [client.closed for client in used]
        await upstreams.close()
        assert all(client.closed for client in used)
        return closed

    assert asyncio.run(use()) == [False, True, True, True, False]
