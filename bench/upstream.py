"""The servers behind the gateway and its peers, in place of a notebook's server.

`running` starts nginx for plain answers, and a process of this module for what nginx cannot do: a
WebSocket that echoes everything, and an address that takes uploads and counts their bytes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bench.harness.ports import free_ports
from bench.harness.waiting import answers, until

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
"""Debian installs it where ordinary users' PATH does not look."""
SMALL, LARGE = 1_000, 1_000_000
"""Bytes of the answers at /small and /large."""
_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log error;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000; keepalive_timeout 60; sendfile on;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen 127.0.0.1:{port} backlog=1024; listen unix:{folder}/socket backlog=1024;
        root {folder}/files;
    }}
}}
"""


@dataclass(frozen=True)
class Upstream:
    """The addresses of the running servers.

    ``plain`` has /small and /large, also below /static, and is at the socket ``local`` as well;
    ``live`` has /echo (a WebSocket) and /sink (POST).
    """

    plain: str
    local: str
    live: str


@contextmanager
def running() -> Iterator[Upstream]:
    """Start both servers; they end with the block."""
    plain, live = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="bindery-bench-upstream-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx reads it as a user of its own
        (folder / "files").mkdir()
        (folder / "files/small").write_bytes(b"s" * SMALL)
        (folder / "files/large").write_bytes(b"l" * LARGE)
        (folder / "files/static").symlink_to(".")
        (folder / "conf").write_text(_CONFIGURATION.format(folder=folder, port=plain))
        ends = ["setpriv", "--pdeathsig", "TERM", "--"]
        nginx = [*ends, NGINX, "-p", name, "-e", f"{name}/log", "-c", f"{name}/conf"]
        own = [*ends, sys.executable, "-m", "bench.upstream", str(live)]
        with _process(nginx), _process(own):
            local = f"unix:{folder}/socket"
            urls = Upstream(f"http://127.0.0.1:{plain}", local, f"http://127.0.0.1:{live}")
            until(lambda: answers(f"{urls.plain}/small"), within=30, what="nginx")
            until(lambda: answers(f"{urls.live}/small"), within=30, what="the upstream")
            yield urls


@contextmanager
def _process(words: list[str]) -> Iterator[None]:
    process = subprocess.Popen(words)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False, max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def _sink(request: web.Request) -> web.Response:
    taken = 0
    async for piece in request.content.iter_any():
        taken += len(piece)
    return web.json_response({"bytes": taken})


async def _small(request: web.Request) -> web.Response:
    return web.Response(body=b"s" * SMALL)


def serve(port: int) -> None:
    """Serve /echo, /sink and /small on this port of loopback."""
    application = web.Application()
    application.add_routes(
        [web.get("/echo", _echo), web.post("/sink", _sink), web.get("/small", _small)]
    )
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
