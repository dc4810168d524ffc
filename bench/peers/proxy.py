"""Run configurable-http-proxy alone, with one route to an upstream."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.harness.ports import free_ports
from bench.harness.waiting import answers, until
from bench.peers import NODE, PROXY

NAME = "configurable-http-proxy"


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    url: str
    pid: int


@contextmanager
def running(upstream: str) -> Iterator[Proxy]:
    """Start it in front of ``upstream``, which already answers."""
    port, routes = free_ports(2)
    words = ["setpriv", "--pdeathsig", "KILL", "--", str(NODE), str(PROXY), "--ip", "127.0.0.1"]
    words += ["--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(routes)]
    words += ["--default-target", upstream, "--log-level", "error", "--no-include-prefix"]
    process = subprocess.Popen(words, env={"CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16)})
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{url}/small"), within=60, what=NAME)
        yield Proxy(url, process.pid)
    finally:
        process.kill()
        process.wait(30)
