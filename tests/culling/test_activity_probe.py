"""Many servers are asked at once; a slow or broken one does not hold up the others."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from sessions.culling.activity import MAX_BODY_BYTES, KernelActivity, ProbeTarget, probe_servers
from tests.culling.servers import Servers, closing, repeating, saying, silent

pytestmark = pytest.mark.servers

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
BUSY = b'[{"execution_state": "busy", "connections": 1}]'
IS_BUSY = KernelActivity(busy=True, last_active=NOW)
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


def asked(*addresses: str, patience: float = 10) -> dict[int, KernelActivity]:
    notebooks = [ProbeTarget(number, each, "secret") for number, each in enumerate(addresses)]
    return probe_servers(notebooks, NOW, timeout=patience)


def test_servers_on_sockets_and_ports_are_probed(servers, tmp_path):
    at_socket = servers.add(saying(BUSY), tmp_path / "socket")
    assert asked(at_socket, servers.add(saying(b"[]"))) == {0: IS_BUSY, 1: KernelActivity()}


def test_probe_sends_the_token_and_is_not_tracked_as_activity(servers):
    asked(servers.add(saying(BUSY)))
    (head,) = servers.heads
    assert head.startswith("GET /api/kernels?no_track_activity=1 HTTP/1.1\r\n")
    assert "\r\nAuthorization: token secret\r\n" in head


def test_kernel_without_a_connection_counts_when_configured(servers, settings):
    settings.PORTAL_UNATTENDED_COUNTS = True
    alone = servers.add(saying(b'[{"execution_state": "busy", "connections": 0}]'))
    assert asked(alone) == {0: IS_BUSY}


@pytest.mark.parametrize(
    "manner",
    [
        closing,
        saying(b"kernels: none"),
        saying(b"[" * 100_000),
        saying(BUSY, "500 Internal Server Error"),
        saying(BUSY, "403 Forbidden"),
        saying(BUSY, "204 No Content"),
        saying(gzip.compress(BUSY), "200 OK", "Content-Encoding: gzip"),
        saying(b" " * MAX_BODY_BYTES + BUSY),
        repeating(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n"
        ),
        repeating(HEAD, b"X-More: " + b"x" * 1000 + b"\r\n"),
        repeating(HEAD + b"X-Long: ", b"x" * 1000),
        repeating(b"", b"\x00\xff"),
        saying(BUSY, "200 OK", "Content-Length: -1"),
        saying(BUSY, "200 OK", "Transfer-Encoding: chunked"),
    ],
)
def test_unusable_answer_is_ignored_without_a_warning(servers, manner, caplog):
    assert asked(servers.add(manner), servers.add(saying(BUSY))) == {1: IS_BUSY}
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "manner",
    [
        silent,
        repeating(HEAD + b"Content-Length: 200000\r\n\r\n", b" ", 0.02),
        repeating(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.02),
        saying(BUSY, pause=30),
    ],
)
def test_slow_server_is_not_waited_for(servers, manner):
    assert asked(servers.add(manner), servers.add(saying(BUSY)), patience=1) == {1: IS_BUSY}


def test_redirects_are_not_followed(servers):
    aim = servers.add(saying(BUSY))
    elsewhere = saying(b"", "302 Found", f"Location: {aim}/api/kernels")
    assert asked(servers.add(elsewhere)) == {}
    assert len(servers.heads) == 1


@pytest.mark.parametrize(
    "address",
    ["", "unix:", "unix:/nowhere/at/all", "http://", "http://127.0.0.1:1", "http://[", "x"],
)
def test_unreachable_address_gives_no_answer(servers, address):
    assert asked(address, servers.add(saying(BUSY))) == {1: IS_BUSY}


def test_dead_servers_do_not_hold_up_the_others(servers):
    manners = [saying(BUSY), silent, saying(BUSY, pause=0.2), closing, saying(BUSY)]
    addresses = [servers.add(manners[number % 5]) for number in range(150)]
    answers = asked(*addresses, patience=5)
    assert set(answers) == {number for number in range(150) if number % 5 in {0, 2, 4}}
    assert set(answers.values()) == {IS_BUSY}


def test_token_never_reaches_the_log(servers, caplog):
    caplog.set_level(logging.DEBUG)
    asked(servers.add(closing), servers.add(saying(BUSY)))
    assert "secret" not in caplog.text
    assert "secret" not in repr(ProbeTarget(1, "x", "secret"))
