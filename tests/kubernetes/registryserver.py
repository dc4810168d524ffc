"""Registries for tests: a real one, and a server that answers as it is told to.

    with RegistryServer(login=True) as registry:
        digest = registry.image("bindery/flowers", "v1")

The real one is Debian's ``docker-registry``, on a port of 127.0.0.1 unless it is given another
address; it ends with this process.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import IO, Self

import httpx

from tests.threadserver import ThreadServer

PERSON = "bindery:bindery"
_HASHED = "bindery:$2b$04$YDHt7Sqxf8g1j/N.2X8byOFxIgxhsJQeHBblGwWX08TqOCXDXoH8a"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


class RegistryServer:
    """An empty registry, in memory; with ``login`` only for `PERSON`, by Basic; with ``deletes``
    it removes what it is told to, which it does not by itself."""

    def __init__(
        self, *, login: bool = False, deletes: bool = False, address: str = "127.0.0.1"
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="registry-")
        root = Path(self._folder.name)
        (root / "people").write_text(f"{_HASHED}\n")
        people = {"htpasswd": {"realm": "test", "path": str(root / "people")}}
        (root / "config.json").write_text(json.dumps({  # JSON is YAML
            "version": "0.1",
            "storage": {"inmemory": {}, "delete": {"enabled": deletes}},
            "http": {"addr": f"{address}:0", "secret": "test"},
            **({"auth": people} if login else {}),
        }))  # fmt: skip
        self._basic = httpx.BasicAuth(*PERSON.split(":")) if login else None
        self.address = ""

    def __enter__(self) -> Self:
        command = ["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve"]
        self._process = subprocess.Popen(
            [*command, f"{self._folder.name}/config.json"], stderr=subprocess.PIPE, text=True
        )
        log = self._process.stderr
        assert log is not None
        self.address = _listening(log)
        self._reader = threading.Thread(target=log.read, daemon=True)  # a full pipe stops it
        self._reader.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._folder.cleanup()

    def image(self, repository: str, tag: str) -> str:
        """Push an image without layers; returns its digest."""
        with httpx.Client(auth=self._basic, base_url=f"http://{self.address}") as client:
            config = json.dumps({"os": "linux", "architecture": "amd64", "name": tag}).encode()
            start = client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status()
            place = httpx.URL(start.headers["Location"]).copy_merge_params({"digest": _of(config)})
            client.put(place, content=config).raise_for_status()
            about = {"mediaType": _CONFIG, "size": len(config), "digest": _of(config)}
            manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": about, "layers": []}
            pushed = client.put(
                f"/v2/{repository}/manifests/{tag}",
                content=json.dumps(manifest),
                headers={"Content-Type": _MANIFEST},
            ).raise_for_status()
        return str(pushed.headers["Docker-Content-Digest"])


def _listening(log: IO[str]) -> str:
    for line in log:
        if found := re.search(r"listening on ([\d.:]+)", line):
            return found[1]
    raise AssertionError("docker-registry has not started")


def _of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Asked(BaseHTTPRequestHandler):
    """One request, and the ways to answer it."""

    server: Scripted

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.script(self)

    do_HEAD = do_DELETE = do_GET

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def challenge(self, realm: str) -> None:
        wanted = f'Bearer realm="{realm}",service="test",scope="repository:a:pull,push"'
        self.answer(401, WWW_Authenticate=wanted)

    def authorization(self) -> str:
        """What was sent, the credentials in clear."""
        kind, _, rest = self.headers.get("Authorization", "").partition(" ")
        return f"{kind} {base64.b64decode(rest).decode()}" if kind == "Basic" else f"{kind} {rest}"

    def log_message(self, format: str, *args: object) -> None:
        pass


Script = Callable[[Asked], None]


class Scripted(ThreadServer):
    """Answers by ``script``, and lists what it was asked in ``requests``."""

    def __init__(self, script: Script, certificate: Path | None = None) -> None:
        super().__init__(Asked)
        self.script = script
        self.requests: list[str] = []
        self.over = threading.Event()
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def __exit__(self, *why: object) -> None:
        self.over.set()
        super().__exit__(*why)

    def handle_error(self, request: object, client_address: object) -> None:
        """A visitor that distrusts the certificate hangs up."""
