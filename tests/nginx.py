"""A real nginx with the configuration of `deploy/nginx`, in front of a web process on loopback."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.harness.ports import free_port
from bench.harness.waiting import until
from bench.upstream import NGINX

SHIPPED = Path(__file__).resolve().parent.parent / "deploy/nginx/bindery.conf"
MEMORY = "/dev/shm"
"""A folder in memory, like `/run`, where the configuration has nginx keep its files."""
# As on a machine whose portal runs as the one who starts this: nginx reaches the same sockets.
_AROUND = """
daemon off; user {user}; worker_processes auto; pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
    log_format ways '$request_uri $upstream_addr';
    access_log {ways}; keepalive_requests 1000000;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    include {folder}/bindery.conf;
}}
"""


@contextmanager
def running(web: int, domain: str, secret: str, ways: Path | None = None) -> Iterator[int]:
    """Run nginx for hosts of this domain and yield its port. ``ways`` is the file where it logs
    which path went to which server.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix=f"bindery-{os.getpid()}-", dir=MEMORY) as name:
        folder = Path(name)
        words = {"user": getpass.getuser(), "ways": f"{ways} ways" if ways else "off"}
        (folder / "conf").write_text(_AROUND.format(folder=name, **words))
        (folder / "bindery.conf").write_text(_filled_in(folder, port, web, domain))
        (folder / "secret").write_text(f'proxy_set_header X-Bindery-Secret "{secret}";\n')
        start = ["setpriv", "--pdeathsig", "TERM", "--", NGINX, "-p", name, "-e", f"{name}/log"]
        process = subprocess.Popen([*start, "-c", f"{name}/conf"])
        try:
            until(lambda: _listens(port), within=20, what="nginx")
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as visitor:
        return visitor.connect_ex(("127.0.0.1", port)) == 0


def _filled_in(folder: Path, port: int, web: int, domain: str) -> str:
    """Return the configuration with an operator's values filled in; without TLS, which needs names
    that resolve.
    """
    text = SHIPPED.read_text(encoding="utf-8")
    values = {
        r"notebooks\.example\.net": domain.replace(".", r"\."),
        "notebooks.example.net": domain,
        "bindery.example.org": domain,
        "127.0.0.1:8000": f"127.0.0.1:{web}",
        "listen 80;": f"listen unix:{folder}/redirecting;",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} backlog=1024;",
        "    ssl_certificate /etc/nginx/bindery.pem;\n": "",
        "    ssl_certificate_key /etc/nginx/bindery.key;\n": "",
        "/etc/nginx/bindery-secret.conf": f"{folder}/secret",
        "/run/bindery-nginx": f"{folder}/allowed",
    }
    for there, here in values.items():
        assert there in text, there
        text = text.replace(there, here)
    return text
