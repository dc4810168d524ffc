"""One bound along the whole way: what the documentation says, what each part on the way is told,
and what happens just below and just above it.
"""

from __future__ import annotations

import re
import socket as socket_
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from portal.server import bodies, heads, socket
from sessions import jupyter_gateway
from sessions.gateway import connections, proxy_http, websocket
from sessions.models import Session
from tests.gateway import wire
from tests.gateway.wire import UPGRADE
from tests.stack import PROJECT

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored

KB, MB = 1024, 1024**2
NGINX = (PROJECT / "deploy/nginx/bindery.conf").read_text()


def documented() -> dict[str, str]:
    """Return the documented bounds, by what they bound."""
    text = Path(PROJECT, "docs/configure.md").read_text()
    table = text.partition("**Requests have limits**")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {row[0]: row[1] for row in rows}


BOUNDS = {
    "request line and headers, also of WebSocket upgrades": (
        f"{heads.MAX_BYTES // KB} KB, {heads.MAX_LINES} lines"
    ),
    "time to receive them": f"{heads.SECONDS:g} seconds",
    "headers of a notebook's response": f"{connections.MAX_HEADER_BYTES // KB} KB in all",
    "body, for the portal's own addresses": (
        f"{bodies.MAX_BYTES // MB} MB; {bodies.max_bytes('/admin/') / MB:g} MB below `/admin/`"
    ),
    "time to receive such a body": f"{bodies.SECONDS:g} seconds",
    "body, for notebooks": f"{jupyter_gateway.MAX_BODY // MB} MB",
    "a WebSocket message of a notebook, in both directions": (
        f"{jupyter_gateway.MAX_WEBSOCKET_MESSAGE // MB} MB"
    ),
    "a WebSocket message of the portal itself": f"{socket.MAX_MESSAGE // KB} KB",
    "concurrent requests and sockets of one notebook, in one web process": (
        f"{connections.MAX_CONNECTIONS}"
    ),
    "sockets in one web process that wait for a slow reader, counted per direction": (
        f"{connections.MAX_BLOCKED}, with {connections.MAX_BUFFERED_BYTES // KB} KB each"
    ),
    "silence of a client with an open socket, which is pinged every "
    f"{socket.PING_INTERVAL:g} seconds": f"{socket.PING_TIMEOUT / 60:g} minutes",
    "time to connect to a notebook's server": f"{connections.CONNECT_TIMEOUT:g} seconds",
    "time until a notebook's server answers the opening of a WebSocket": (
        f"{websocket.HANDSHAKE_TIMEOUT:g} seconds"
    ),
    "silence of a notebook's server that has a request to answer": "none; 1 hour with nginx",
}


def test_the_documentation_lists_exactly_these_bounds():
    assert documented() == BOUNDS


def test_jupyter_is_told_the_gateways_bounds():
    config = jupyter_gateway.config("/x")
    assert websocket.MAX_MESSAGE == jupyter_gateway.MAX_WEBSOCKET_MESSAGE
    assert f'"websocket_max_message_size": {websocket.MAX_MESSAGE}' in config
    assert f"max_body_size = c.ServerApp.max_buffer_size = {jupyter_gateway.MAX_BODY}" in config
    script = jupyter_gateway.extension_files()["bindery-gateway/static/remoteEntry.js"]
    assert f"const limit = {websocket.MAX_MESSAGE};" in script


def test_nginx_has_no_bound_of_its_own_but_time():
    said = dict(re.findall(r"^    (\w+) ([^;{]+);", NGINX, re.MULTILINE))
    assert said["client_max_body_size"].split()[0] == "0"
    assert said["large_client_header_buffers"] == f"4 {heads.MAX_BYTES // KB}k"
    own_headers = 16  # KB that web may add to a notebook's
    assert said["proxy_buffer_size"] == f"{connections.MAX_HEADER_BYTES // KB + own_headers}k"
    assert said["client_header_timeout"] == f"{heads.SECONDS:g}s"
    assert said["proxy_read_timeout"] == said["proxy_send_timeout"] == "1h"


def cookies_of(size: int) -> list[str]:
    """Return cookies that an application set, of 3.5 KB each, with this size in all."""
    most = 3500
    whole, rest = divmod(size, most)
    return [f"c{n}={'x' * (most - 5)}" for n in range(whole)] + [f"r={'x' * max(0, rest - 4)}"]


@pytest.mark.parametrize("fields", [(), UPGRADE], ids=["request", "upgrade"])
def test_cookies_of_almost_64_kilobytes_reach_the_notebook(browser, fields):
    own = browser.headers({})
    rest = sum(len(f"{name}: {text}\r\n") for name, text in own.items()) + 600
    own["Cookie"] += "; " + "; ".join(cookies_of(heads.MAX_BYTES - rest))
    lines = [f"{name}: {text}" for name, text in own.items() if name != "Host"]
    request = wire.head(browser.host, *lines, *fields, line="GET /socket HTTP/1.1")
    if not fields:
        request = request.replace(b"GET /socket", b"GET /x", 1)
    assert heads.MAX_BYTES - 1000 < len(request) < heads.MAX_BYTES
    answer = wire.ask(browser.port, request, enough=b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 " if fields else b"HTTP/1.1 200 ")


@pytest.mark.parametrize("fields", [(), UPGRADE], ids=["request", "upgrade"])
@pytest.mark.parametrize("missing", [20, -100], ids=["what Jupyter takes", "what web takes"])
def test_more_cookies_are_refused_at_once_and_deleted(browser, notebook, fields, missing):
    notebook.forget()
    own = browser.headers({})
    lines = [f"{name}: {text}" for name, text in own.items() if name not in {"Host", "Cookie"}]

    def request(padding: int) -> bytes:
        cookies = "; ".join([own["Cookie"], *cookies_of(60_000), "p=" + "x" * padding])
        return wire.head(browser.host, *lines, f"Cookie: {cookies}", *fields)

    whole = request(heads.MAX_BYTES - missing - len(request(0)))
    assert len(whole) == heads.MAX_BYTES - missing
    answer = wire.ask(browser.port, whole, enough=b"under privacy")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'\r\nclear-site-data: "cookies"' in answer.lower()
    assert not notebook.seen


def test_a_body_over_the_bound_is_refused_with_a_sentence(browser, notebook, monkeypatch):
    monkeypatch.setattr(proxy_http, "MAX_BODY", 1_000_000)
    notebook.forget()
    for body in (b"x" * 1_000_000, iter([b"x" * 500_000] * 2)):
        assert browser.ask("/upload", "POST", body).json()["size"] == 1_000_000
    for body in (b"x" * 1_000_001, iter([b"x" * 500_000] * 3)):
        answer = browser.ask("/upload", "POST", body)
        assert (answer.status_code, answer.json()["code"]) == (413, "gateway.body-too-large")
        assert "512 MB" in answer.json()["detail"]
        assert "file browser" in answer.json()["detail"]


@pytest.mark.parametrize(("size", "status"), [(60 * KB, b"200"), (70 * KB, b"502")])
def test_a_header_of_a_response_over_the_bound_is_a_bad_answer(browser, size, status):
    def answers(connection, _received):
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: " + b"x" * size + b"\r\n\r\n"
        )

    own = [f"{name}: {text}" for name, text in browser.headers({}).items() if name != "Host"]
    with wire.notebook(answers) as address:
        Session.objects.update(address=address)
        answer = wire.ask(browser.port, wire.head(browser.host, *own), enough=b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_a_socket_that_is_not_answered_is_refused(browser, monkeypatch):
    def never(connection: socket_.socket, _received: bytes) -> None:
        connection.recv(1)

    monkeypatch.setattr(websocket, "HANDSHAKE_TIMEOUT", 0.3)
    with wire.notebook(never) as address:
        Session.objects.update(address=address)
        with pytest.raises(InvalidStatus) as refusal:
            browser.socket()
    assert refusal.value.response.status_code == 503
