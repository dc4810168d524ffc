"""A server with the part of the Kubernetes API that `Cluster` uses, controlled by tests.

    with ApiServer(tmp_path) as api:
        api.put("pods", {"metadata": {"name": "build-1"}})
        cluster = Cluster("test", api.kubeconfig)

The server keeps objects, gives each change a version and sends it to every watch. Failures are made
on request: `denied` for rights, `fail` and `hang` for the next request, `compact` for the history,
`tell` and `hang_up` for open watches, `log` for the output of containers.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sessions.backends.kubernetes.preflight import REQUIRED_RIGHTS
from tests.threadserver import ThreadServer

Manifest = dict[str, Any]
CREATED = "2026-01-01T00:00:00Z"
END = None
"""In a log: its end, as of a container that has ended."""
BREAK = b""
"""In a log: the connection breaks here."""


class Request(BaseHTTPRequestHandler):
    """One request: ``/api/v1/namespaces/test/KIND[/NAME[/log]]``, or ``/api/v1/nodes``."""

    server: ApiServer
    protocol_version = "HTTP/1.1"
    timeout = 10  # a connection that is kept and not used again

    def do_GET(self) -> None:
        self.address = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(self.address.query).items()}
        self.names = self.address.path.removeprefix("/api/v1/").split("/")
        if self.names[0] == "namespaces":
            self.names = self.names[2:]
        elif self.address.path.startswith("/apis/"):  # …/GROUP/VERSION/KIND[/NAME]
            self.names = self.address.path.split("/")[4:]
            self.names = self.names[2:] if self.names[0] == "namespaces" else self.names
        length = int(self.headers.get("Content-Length", 0))
        self.body = json.loads(self.rfile.read(length) or b"{}")
        asked = f"{self.command} {'/'.join(self.names)}"
        self.server.asked.append(asked)
        self.server.bodies[asked] = self.body
        if self.address.path.startswith("/api/v1/namespaces/"):
            self.server.used.add(self._right_used())
        if asked in self.server.refused:
            self.answer(*self.server.refused[asked])
        elif not self._goes_wrong():
            self._right()

    do_POST = do_PATCH = do_DELETE = do_GET

    def _right_used(self) -> tuple[str, str]:
        kind = "/".join(self.names[::2])
        if self.command == "GET" and len(self.names) == 1:
            return kind, "watch" if "watch" in self.query else "list"
        return kind, {"POST": "create", "GET": "get"}.get(self.command, self.command.lower())

    def _goes_wrong(self) -> bool:
        if self.server.token and self.headers["Authorization"] != f"Bearer {self.server.token}":
            self.say(401, {"message": "Unauthorized", "reason": "Unauthorized"})
            return True
        status, body = self.server.wrong.pop(0) if self.server.wrong else (200, b"")
        if status == 0:  # says nothing until the test is over
            self.server.over.wait()
            self.close_connection = True
        elif status >= 400:
            self.answer(status, body)
        return status != 200

    def _right(self) -> None:
        kind, name = self.names[0], "/".join(self.names[1:2])
        if self.names[2:] == ["log"]:
            self._log(name)
        elif kind == "selfsubjectaccessreviews":
            wanted = self.body["spec"]["resourceAttributes"]
            right = f"{wanted['verb']} {wanted['resource']}/{wanted['subresource']}".rstrip("/")
            self.say(201, {"status": {"allowed": right not in self.server.denied}})
        elif kind in self.server.answers:
            self.say(201, self.server.answers[kind])
        elif kind == "selfsubjectrulesreviews":
            self.say(201, {"status": {"incomplete": False, "resourceRules": self._rules()}})
        elif self.command == "POST":
            self._create(kind)
        elif not name and "watch" in self.query:
            self._watch(kind, int(self.query["resourceVersion"]))
        elif not name:
            items, version = self.server.listing(kind, self.query.get("labelSelector", ""))
            self.say(200, {"items": items, "metadata": {"resourceVersion": str(version)}})
        else:
            self._one(kind, name)

    def _rules(self) -> list[Manifest]:
        return [
            {"apiGroups": [""], "resources": [kind], "verbs": [verb]}
            for kind, verbs in REQUIRED_RIGHTS.items()
            for verb in verbs
            if f"{verb} {kind}" not in self.server.denied
        ]

    def _create(self, kind: str) -> None:
        if self.body["metadata"]["name"] in self.server.things[kind]:
            self.say(409, {"message": "it exists already", "reason": "AlreadyExists"})
        else:
            self.say(201, self.server.put(kind, self.body))

    def _one(self, kind: str, name: str) -> None:
        thing = self.server.things[kind].get(name)
        if thing is None:
            self.say(404, {"message": f"{kind} “{name}” not found", "reason": "NotFound"})
        elif self.command == "DELETE":
            self.say(200, self.server.drop(kind, name))
        elif self.command == "PATCH":
            self.say(200, self.server.put(kind, _patched(thing, self.body)))
        else:
            self.say(200, thing)

    def _watch(self, kind: str, version: int) -> None:
        if version < self.server.oldest:
            self.say(410, {"message": "too old resource version", "reason": "Expired"})
            return
        mine, selector = self.server.watches, self.query.get("labelSelector", "")
        self.begin()
        while mine == self.server.watches and not self.server.over.is_set():
            for number, event in self.server.events_of(kind, version):
                version = max(version, number)
                if isinstance(event, dict) and not _fits(event["object"], selector):
                    continue
                self.piece(event if isinstance(event, bytes) else json.dumps(event).encode())
            self.server.wait()
        self.close_connection = not self.server.ends_well
        if self.server.ends_well:
            self.piece(b"", end=b"")

    def _log(self, pod: str) -> None:
        container, since = self.query["container"], self.query.get("sinceTime", "")
        self.server.since.append(since)
        lines = self.server.logs.get((pod, container))
        if lines is None:
            self.say(400, {"message": f"container “{container}” is waiting to start"})
            return
        self.begin()
        self.close_connection = not self._lines(lines, since)

    def _lines(self, lines: list[bytes | None], since: str) -> bool:
        """Send the lines; return whether the stream has ended properly."""
        told = 0
        while not self.server.over.is_set():
            while told < len(lines):
                line, told = lines[told], told + 1
                if line == BREAK:
                    lines.remove(BREAK)
                    return False
                if line is not END and line.decode() >= since[:19]:
                    self.piece(line)
            if "follow" not in self.query or lines[-1:] == [END]:
                self.piece(b"", end=b"")
                return True
            self.server.wait()
        return False

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def piece(self, text: bytes, end: bytes = b"\n") -> None:
        data = text + (b"" if text.endswith(b"\\") else end)
        data = data.removesuffix(b"\\")
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def say(self, status: int, answer: Manifest) -> None:
        self.answer(status, json.dumps(answer).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _patched(thing: Manifest, change: Manifest) -> Manifest:
    both = {
        key: _patched(thing.get(key, {}), value) if isinstance(value, dict) else value
        for key, value in change.items()
    }
    return {**thing, **both}


class ApiServer(ThreadServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(Request)
        self.things: dict[str, dict[str, Manifest]] = defaultdict(dict)
        self.logs: dict[tuple[str, str], list[bytes | None]] = {}
        self.wrong: list[tuple[int, bytes]] = []
        self.denied: set[str] = set()
        self.asked: list[str] = []
        self.bodies: dict[str, Manifest] = {}
        self.since: list[str] = []
        self.used: set[tuple[str, str]] = set()
        """The rights that requests have needed."""
        self.refused: dict[str, tuple[int, bytes]] = {}
        """Status and body for each request of a kind, such as ``POST pods``."""
        self.answers: dict[str, Manifest] = {}
        """Answers to any request about objects of a kind."""
        self.token = ""
        """The only one that is accepted, "" for any."""
        self.oldest = 0
        self.watches = 0
        self.ends_well = True
        self.over = threading.Event()
        self._version = 100
        self._history: list[tuple[int, str, Any]] = []
        self._changed = threading.Condition()
        self.kubeconfig = str(folder / "kubeconfig")
        Path(self.kubeconfig).write_text(json.dumps(_kubeconfig(self.address)))

    def let_go(self) -> None:
        """End all open streams, and from now on every one that would last."""
        self.over.set()
        self._wake()

    def __exit__(self, *why: object) -> None:
        self.let_go()
        super().__exit__(*why)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that hang up while something is sent to them."""

    # --- what there is ---
    def put(self, kind: str, thing: Manifest) -> Manifest:
        """Make or change an object, and send it to every watch."""
        with self._changed:
            self._version += 1
            name = thing["metadata"]["name"]
            new = name not in self.things[kind]
            about = {"uid": f"uid-{name}", "creationTimestamp": CREATED, **thing["metadata"]}
            stored = {**thing, "metadata": {**about, "resourceVersion": str(self._version)}}
            self.things[kind][name] = stored
            self._record(kind, {"type": "ADDED" if new else "MODIFIED", "object": stored})
            return stored

    def drop(self, kind: str, name: str) -> Manifest:
        with self._changed:
            self._version += 1
            gone = self.things[kind].pop(name)
            last = {**gone["metadata"], "resourceVersion": str(self._version)}
            self._record(kind, {"type": "DELETED", "object": {**gone, "metadata": last}})
            return gone

    def listing(self, kind: str, selector: str) -> tuple[list[Manifest], int]:
        with self._changed:
            things = list(self.things[kind].values())
            return [thing for thing in things if _fits(thing, selector)], self._version

    # --- what goes wrong ---
    def fail(self, status: int, body: bytes = b"", *, times: int = 1) -> None:
        """Answer the next requests with this status and body."""
        self.wrong += [(status, body)] * times

    def hang(self) -> None:
        """Do not answer the next request."""
        self.wrong.append((0, b""))

    def tell(self, kind: str, event: Manifest | bytes) -> None:
        r"""Send something that is no change: a bookmark, an error, half a line (ending in
        ``\``).
        """
        with self._changed:
            self._version += 1
            self._record(kind, event)

    def compact(self) -> None:
        """Forget the history; a watch from before has to list again."""
        with self._changed:
            self._version += 1
            self.oldest = self._version
            self._history.clear()

    def hang_up(self, *, well: bool = True) -> None:
        """End all watches, as after their time; or, unless ``well``, as a broken connection
        does.
        """
        self.ends_well = well
        self.watches += 1
        self._wake()

    def log(self, pod: str, container: str, *lines: bytes | None) -> None:
        """Add lines to a container's log."""
        with self._changed:
            self.logs.setdefault((pod, container), []).extend(lines)
            self._changed.notify_all()

    # --- for the requests ---
    def events_of(self, kind: str, after: int) -> list[tuple[int, Any]]:
        with self._changed:
            return [(n, event) for n, of, event in self._history if of == kind and n > after]

    def wait(self) -> None:
        with self._changed:
            self._changed.wait(0.02)

    def _record(self, kind: str, event: Manifest | bytes) -> None:
        self._history.append((self._version, kind, event))
        self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _fits(thing: Manifest, selector: str) -> bool:
    labels = thing.get("metadata", {}).get("labels", {})
    return all(_has(labels, term) for term in selector.split(",") if term)


def _has(labels: Manifest, term: str) -> bool:
    key, equal, value = term.partition("=")
    if key.startswith("!"):
        return key[1:] not in labels
    return labels.get(key) == value if equal else key in labels


def _kubeconfig(address: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"http://{address}"}}],
        "users": [{"name": "test", "user": {"token": "a token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
