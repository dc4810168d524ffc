"""Bodies sent to the portal's own addresses are limited before they are kept; by the real
server.
"""

from __future__ import annotations

import json
import os
import time

import pytest

from portal.server import bodies
from tests.gateway.wire import ask, head

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored

LARGE = 300 * 1024 * 1024
SOON = 5.0
ADDRESSES = [
    "/",
    "/sign-in/",
    "/no/such/address/",
    "/api/v1/projects/",
    "/api/v1/no/such/",
    "/build/gh/o/r/HEAD",
    "/health",
]


def post(address: str, *fields: str) -> bytes:
    kind = "Content-Type: application/x-www-form-urlencoded"
    return head("localhost", kind, *fields, line=f"POST {address} HTTP/1.1")


def files_open() -> set[str]:
    """Return this process's open files that have no name any more, such as those that bodies are
    spooled to.
    """
    found = set()
    for each in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{each}")
        except OSError:
            continue
        if "(deleted)" in target:
            found.add(target)
    return found


def assert_too_large(answer: bytes, address: str) -> None:
    headers, _empty, body = answer.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 413 "), answer[:200]
    if address.startswith(("/api/", "/build/")):
        assert json.loads(body)["code"] == "request.body-too-large"
    else:
        assert b"request.body-too-large" in body
        assert b"content-security-policy" in headers.lower()


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_content_length_over_the_limit_is_refused_at_once(port, address):
    before = files_open()
    answer = ask(port, post(address, f"Content-Length: {LARGE}") + b"x" * 3_000_000, within=SOON)
    assert_too_large(answer, address)
    assert files_open() <= before


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_chunked_body_over_the_limit_is_refused(port, address):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    request = post(address, "Transfer-Encoding: chunked") + chunk * 200
    before = files_open()
    assert_too_large(ask(port, request, within=SOON), address)
    assert files_open() <= before


def test_expect_continue_for_a_large_body_is_answered_with_413(port):
    request = post("/", f"Content-Length: {LARGE}", "Expect: 100-continue")
    assert ask(port, request, within=SOON).startswith(b"HTTP/1.1 413 ")


def test_an_incomplete_body_times_out(port, monkeypatch):
    monkeypatch.setattr(bodies, "SECONDS", 0.3)
    began = time.monotonic()
    answer = ask(port, post("/sign-in/", "Content-Length: 100") + b"half", within=SOON)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("size", [0, 1, bodies.MAX_BYTES])
def test_a_body_within_the_limit_is_read(port, size):
    request = post("/sign-in/", f"Content-Length: {size}", "Connection: close") + b"x" * size
    assert not ask(port, request, within=20).startswith(b"HTTP/1.1 413 ")


def test_a_notebook_accepts_a_body_over_the_limit(browser):
    answer = browser.ask("/api/contents", "PUT", b"x" * 5_000_000)
    assert answer.json()["size"] == 5_000_000


def test_the_admin_accepts_larger_bodies(port):
    size = bodies.max_bytes("/admin/portal/user/")
    assert size > bodies.MAX_BYTES
    request = post("/admin/portal/user/", f"Content-Length: {size}", "Connection: close")
    assert not ask(port, request + b"x" * size, within=20).startswith(b"HTTP/1.1 413 ")
