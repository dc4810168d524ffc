"""A real nginx with the configuration of `deploy/nginx`, in front of a web process on loopback.

`running` serves hosts below a name that resolves, without TLS; `in_production` serves the hosts
that the configuration has, with a certificate of its own, to a browser that is told where they are.
"""

from __future__ import annotations

import datetime as dt
import getpass
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
    access_log {folder}/default.log; # as in Debian's nginx.conf: with queries
    log_format ways '$request_uri $upstream_addr';
    keepalive_requests 1000000;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    include {folder}/bindery.conf;
}}
"""


PORTAL, NOTEBOOKS = "bindery.example.org", "notebooks.example.net"


@contextmanager
def running(
    web: int,
    domain: str,
    secret: str,
    ways: Path | None = None,
    silence: str = "1h",
    folder: Path | None = None,
) -> Iterator[int]:
    """Run nginx for hosts of this domain and yield its port. ``ways`` is the file where it logs
    which path went to which server, ``silence`` the time that web has for an answer, and
    ``folder`` where its logs are and the socket ``redirecting`` of its http server.
    """
    port = free_port()
    listens = f"listen 127.0.0.1:{port} backlog=1024;"
    values = {
        r"notebooks\.example\.net": domain.replace(".", r"\."),
        NOTEBOOKS: domain,
        PORTAL: domain,
        "listen 443 ssl http2;": listens,
        "proxy_read_timeout 1h;": f"proxy_read_timeout {silence};",
        "    ssl_certificate /etc/nginx/bindery.pem;\n": "",
        "    ssl_certificate_key /etc/nginx/bindery.key;\n": "",
    }
    with _started(port, web, secret, values, ways, folder):
        yield port


@contextmanager
def in_production(port: int, web: int, secret: str) -> Iterator[None]:
    """Run nginx with TLS at this port, for the hosts `PORTAL` and those below `NOTEBOOKS`."""
    with tempfile.TemporaryDirectory() as name:
        pem = self_signed(Path(name, "pem"), PORTAL, f"*.{NOTEBOOKS}")
        values = {
            "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2 backlog=1024;",
            "/etc/nginx/bindery.pem": str(pem),
            "/etc/nginx/bindery.key": str(pem),
        }
        with _started(port, web, secret, values, None):
            yield


def self_signed(path: Path, *hosts: str) -> Path:
    """Write a key and a self-signed certificate for these hosts, and return the path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, *private) + certificate.public_bytes(pem))
    return path


@contextmanager
def _started(
    port: int,
    web: int,
    secret: str,
    values: dict[str, str],
    ways: Path | None,
    kept: Path | None = None,
) -> Iterator[None]:
    made = tempfile.TemporaryDirectory(prefix=f"bindery-{os.getpid()}-", dir=MEMORY)
    with made as temporary:
        folder = kept or Path(temporary)
        name = str(folder)
        (folder / "conf").write_text(_AROUND.format(folder=name, user=getpass.getuser()))
        logs = f"{ways} ways" if ways else f"{name}/access.log bindery"
        values |= {
            "/var/log/nginx/access.log bindery;": f"{logs};",
            "/var/log/nginx/error.log": f"{name}/log",
        }
        (folder / "bindery.conf").write_text(_filled_in(folder, web, values))
        (folder / "secret").write_text(f'proxy_set_header X-Bindery-Secret "{secret}";\n')
        start = ["setpriv", "--pdeathsig", "TERM", "--", NGINX, "-p", name, "-e", f"{name}/log"]
        process = subprocess.Popen([*start, "-c", f"{name}/conf"])
        try:
            until(lambda: _listens(port), within=20, what="nginx")
            yield
        finally:
            process.terminate()
            process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as visitor:
        return visitor.connect_ex(("127.0.0.1", port)) == 0


def _filled_in(folder: Path, web: int, own: dict[str, str]) -> str:
    """Return the configuration with an operator's values filled in."""
    text = SHIPPED.read_text(encoding="utf-8")
    values = own | {
        "127.0.0.1:8000": f"127.0.0.1:{web}",
        "listen 80;": f"listen unix:{folder}/redirecting;",
        "/etc/nginx/bindery-secret.conf": f"{folder}/secret",
        "/run/bindery-nginx": f"{folder}/allowed",
    }
    for there, here in values.items():
        assert there in text, there
        text = text.replace(there, here)
    return text
