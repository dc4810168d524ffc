"""Notebooks, files and the portal itself are reached by IPv4 and by IPv6."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sessions.backends.kubernetes.homes import serve
from sessions.backends.kubernetes.podstatus import host_in_url
from sessions.gateway.app import _nginx_address
from sessions.gateway.connections import UpstreamPool
from tests.kubernetes.test_server_reports import RUNS, pod, secret, seen

LOOPBACKS = {"": ("127.0.0.1", "::1"), "127.0.0.1": ("127.0.0.1",), "::1": ("::1",)}


@pytest.fixture(params=LOOPBACKS)
def listener(request) -> Iterator[tuple[str, socket.socket]]:
    with serve.listen(request.param, 0) as listener:
        yield request.param, listener


def test_a_server_listens_on_both_families_or_on_the_one_that_it_is_told(listener):
    host, server = listener
    port = server.getsockname()[1]
    for family in ("127.0.0.1", "::1"):
        if family in LOOPBACKS[host]:
            socket.create_connection((family, port), timeout=5).close()
        else:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((family, port), timeout=5)


def test_the_address_of_a_pod_is_bracketed_in_urls():
    assert [host_in_url(each) for each in ("10.0.0.1", "fd00::7")] == ["10.0.0.1", "[fd00::7]"]
    found = seen(secret(), pod(state=RUNS, podIP="fd00::7"), ready_uids=frozenset({"uid-9"}))
    assert found.address == "http://[fd00::7]:8888"
    assert _nginx_address(found.address) == found.address
    for strange in (
        "http://[fd00::7%eth0]:8888",
        "http://[x]:1",
        "http://[::1]:1/x",
        "http://[]:1",
    ):
        assert _nginx_address(strange) == ""


async def test_the_gateway_connects_to_a_bracketed_address():
    pool = UpstreamPool()
    with serve.listen("::1", 0) as server:
        port = server.getsockname()[1]
        async with pool.acquire(f"http://[::1]:{port}") as upstream:
            _reader, writer = await upstream.connect(1000)
            writer.close()
            assert str(upstream.url("/api")) == f"http://[::1]:{port}/api"
    await pool.close()


def test_web_listens_on_all_addresses():
    texts = Path("deploy/kubernetes/portal.yaml").read_text()
    pods = [each["spec"]["template"]["spec"] for each in yaml.safe_load_all(texts)
            if each and each["kind"] == "Deployment"]  # fmt: skip
    words = [word for pod in pods for each in pod["containers"] for word in each.get("args", [])]
    assert [word for word in words if word.startswith("--host")] == ["--host="]
    assert '"--host", "", "--port"' in Path("deploy/portal/Dockerfile").read_text()
