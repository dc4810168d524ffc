"""Run JupyterHub with its proxy, on free ports of loopback and with a folder of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.harness.ports import free_ports
from bench.harness.waiting import answers, until
from bench.peers import FOLDER, NODE, PROXY, PYTHON
from tests import processes

TRIVIAL = FOLDER.parent / "trivial.py"
NAME = "JupyterHub"


@dataclass(frozen=True)
class Hub:
    """A running JupyterHub.

    ``api`` is the address of its REST API, ``token`` has all permissions.
    """

    api: str
    token: str
    pid: int

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers with which its REST API accepts a request."""
        return {"Authorization": f"token {self.token}"}

    def pids(self) -> list[int]:
        """Return the pids of the hub and its proxy."""
        return [self.pid, *(pid for pid in processes.children(self.pid) if _is_proxy(pid))]

    def people(self, names: Sequence[str]) -> None:
        """Make accounts for them."""
        with self.client() as http:
            http.post("/users", json={"usernames": list(names)}).raise_for_status()

    def token_of(self, name: str) -> str:
        """Make a token for this person and return it."""
        with self.client() as http:
            answer = http.post(f"/users/{name}/tokens", json={}).raise_for_status()
        token: str = answer.json()["token"]
        return token

    def client(self) -> httpx.Client:
        """Return a client of the REST API."""
        return httpx.Client(base_url=self.api, headers=self.headers, timeout=60)


@contextmanager
def running() -> Iterator[Hub]:
    """Start it and yield it once it answers; it and its notebooks end with the block."""
    with tempfile.TemporaryDirectory(prefix="bindery-bench-hub-") as folder:
        token, ports = secrets.token_hex(32), free_ports(3)
        words = ["setpriv", "--pdeathsig", "TERM", "--", str(PYTHON), "-m", "jupyterhub"]
        words += ["-f", str(FOLDER / "jupyterhub_config.py")]
        variables = {
            "BENCH_FOLDER": folder,
            "BENCH_PORTS": ",".join(map(str, ports)),
            "BENCH_PROXY": f"{NODE},{PROXY}",
            "BENCH_TOKEN": token,
            "BENCH_TRIVIAL": str(TRIVIAL),
        }
        with Path(folder, "log").open("ab") as log:
            process = subprocess.Popen(
                words, cwd=folder, env=os.environ | variables, stdout=log, stderr=log
            )
        hub = Hub(f"http://127.0.0.1:{ports[1]}/hub/api", token, process.pid)
        try:
            until(lambda: _answers(hub, process), within=120, what=NAME)
            yield hub
        finally:
            _end(process, hub.pids())


def _end(process: subprocess.Popen[bytes], family: Sequence[int]) -> None:
    """Stop the hub, which ends its proxy and notebooks; kill hub and proxy if they remain."""
    process.terminate()
    try:
        process.wait(60)
    finally:
        for pid in family:
            if pid == process.pid or _is_proxy(pid):
                processes.send(pid, signal.SIGKILL)


def _answers(hub: Hub, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"JupyterHub ended with {process.returncode}")
    return answers(f"{hub.api}/")


def _is_proxy(pid: int) -> bool:
    return str(PROXY) in processes.command(pid)
