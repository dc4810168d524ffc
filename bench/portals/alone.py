"""Run the portal's web process alone, as ``manage.py up`` starts it, with notebooks made as rows.

Their servers are whatever answers at the addresses given: the gateway is what is measured.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.harness.ports import free_ports
from bench.harness.waiting import answers, until
from tests.stack import PROJECT


@dataclass(frozen=True)
class Alone:
    """A running web process.

    ``token`` opens all of the notebooks; each is at ``hosts[its name]`` on this port, and on that
    of an nginx that knows the ``secret``.
    """

    port: int
    pid: int
    token: str
    hosts: Mapping[str, str]
    secret: str

    def url(self, path: str) -> str:
        """Return the URL of a path on this port."""
        return f"http://127.0.0.1:{self.port}{path}"

    def headers(self, name: str) -> dict[str, str]:
        """Return the headers for a notebook."""
        return {"Host": self.hosts[name], "Authorization": f"Bearer {self.token}"}


@contextmanager
def running(notebooks: Mapping[str, str]) -> Iterator[Alone]:
    """Start it with a notebook for each name, whose server is at the address beside it."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="bindery-bench-web-") as data:
        environment = os.environ | {
            "PORTAL_DATA": data,
            "PORTAL_PORT": str(port),
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PORTAL_LOG_LEVEL": "ERROR",
            "PORTAL_NGINX_SECRET": (secret := secrets.token_hex(32)),
        }
        prepare = [sys.executable, "-m", "bench.portals.prepared", json.dumps(dict(notebooks))]
        done = subprocess.run(
            prepare, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
        )
        token = json.loads(done.stdout.splitlines()[-1])
        hosts = {name: f"{name}.localhost:{port}" for name in notebooks}
        web = [sys.executable, "-m", "uvicorn", "portal.asgi:application", "--lifespan", "on"]
        web += ["--port", str(port), "--no-access-log", "--log-level", "error"]
        web += ["--no-proxy-headers", "--http", "portal.server.connection:Http"]
        web += ["--timeout-graceful-shutdown", "3"]
        ends = ["setpriv", "--pdeathsig", "TERM", "--"]
        process = subprocess.Popen([*ends, *web], cwd=PROJECT, env=environment)
        alone = Alone(port, process.pid, token, hosts, secret)
        try:
            first = next(iter(notebooks))
            until(lambda: answers(alone.url("/small"), alone.headers(first)), 60, "the web process")
            yield alone
        finally:
            process.terminate()
            process.wait(30)
