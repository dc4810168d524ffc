"""Registries for tests: a real one, and a scripted one.

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
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import IO, Self

import httpx

from tests.threadserver import ThreadServer

PERSON = "bindery:bindery"
_HASHED = "bindery:$2b$04$YDHt7Sqxf8g1j/N.2X8byOFxIgxhsJQeHBblGwWX08TqOCXDXoH8a"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_PASSED_ON = frozenset({"Accept", "Content-Type", "Range", "Content-Range"})
_ANSWERED = ("Content-Type", "Docker-Content-Digest", "Location", "Docker-Upload-UUID", "Range",
             "Content-Length", "Docker-Distribution-Api-Version")  # fmt: skip
_CONFIG = "application/vnd.oci.image.config.v1+json"


class RegistryServer:
    """An empty registry, in memory; with ``login`` only for `PERSON`, by Basic authentication; with
    ``deletes`` it allows deletions, which are off by default. ``behind``: there is a door in front
    of it, which clients have to use.
    """

    def __init__(
        self,
        *,
        login: bool = False,
        deletes: bool = False,
        address: str = "127.0.0.1",
        behind: bool = False,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="registry-")
        root = Path(self._folder.name)
        (root / "people").write_text(f"{_HASHED}\n")
        people = {"htpasswd": {"realm": "test", "path": str(root / "people")}}
        (root / "config.json").write_text(json.dumps({  # JSON is YAML
            "version": "0.1",
            "storage": {"inmemory": {}, "delete": {"enabled": deletes}},
            "http": {"addr": f"{address}:0", "secret": "test", "relativeurls": behind},
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

    def image(self, repository: str, tag: str, **config: object) -> str:
        """Push an image without layers, with this configuration; returns its digest."""
        with httpx.Client(auth=self._basic, base_url=f"http://{self.address}") as client:
            about = {"os": "linux", "architecture": "amd64", "name": tag, "config": config}
            content = json.dumps(about).encode()
            start = client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status()
            place = httpx.URL(start.headers["Location"]).copy_merge_params({"digest": _of(content)})
            client.put(place, content=content).raise_for_status()
            part = {"mediaType": _CONFIG, "size": len(content), "digest": _of(content)}
            manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": part, "layers": []}
            pushed = client.put(
                f"/v2/{repository}/manifests/{tag}",
                content=json.dumps(manifest),
                headers={"Content-Type": _MANIFEST},
            ).raise_for_status()
        return str(pushed.headers["Docker-Content-Digest"])


class GuardedRegistry(ThreadServer):
    """A real registry behind a door with accounts: each may reach what is below their own path,
    everything if that is "", and nobody else anything.
    """

    def __init__(self, people: dict[str, str], address: str = "127.0.0.1") -> None:
        super().__init__(_Door, address)
        self.behind = RegistryServer(behind=True)
        self.people = people
        self.asked: list[tuple[str, str]] = []
        """Who asked the door ("" for nobody), and what they wanted."""

    def __enter__(self) -> Self:
        self.behind.__enter__()
        return super().__enter__()

    def __exit__(self, *why: object) -> None:
        super().__exit__(*why)
        self.behind.__exit__()

    def config(self, person: str) -> str:
        """Return the docker ``config.json`` of a person, whose password is their name."""
        login = base64.b64encode(f"{person}:{person}".encode()).decode()
        return json.dumps({"auths": {self.address: {"auth": login}}})

    def lets_in(self, person: str, path: str) -> bool:
        if person not in self.people:
            return False
        below = path.removeprefix("/v2/")
        return not below or below.startswith(self.people[person])


class _Door(BaseHTTPRequestHandler):
    server: GuardedRegistry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        login = self.headers.get("Authorization", "").removeprefix("Basic ")
        person, _, password = base64.b64decode(login).decode().partition(":")
        body = b"".join(self._body())
        self.server.asked.append((person, self.path))
        if person != password or not self.server.lets_in(person, self.path):
            denied = b'{"errors": [{"code": "DENIED"}]}'
            self._say(401, {"WWW-Authenticate": 'Basic realm="door"'}, denied)
            return
        kept = [(key, value) for key, value in self.headers.items() if key in _PASSED_ON]
        address = f"http://{self.server.behind.address}{self.path}"
        answer = httpx.request(self.command, address, headers=kept, content=body)
        head = {name: answer.headers[name] for name in _ANSWERED if name in answer.headers}
        self._say(answer.status_code, head, answer.content)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while length := int(self.rfile.readline(), 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


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
        """Return the Authorization header that was sent, with the credentials in clear."""
        kind, _, rest = self.headers.get("Authorization", "").partition(" ")
        return f"{kind} {base64.b64decode(rest).decode()}" if kind == "Basic" else f"{kind} {rest}"

    def log_message(self, format: str, *args: object) -> None:
        pass


Script = Callable[[Asked], None]


class Scripted(ThreadServer):
    """A registry that answers by ``script``, and lists its requests in ``requests``."""

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
        """Ignore a client that distrusts the certificate and hangs up."""
