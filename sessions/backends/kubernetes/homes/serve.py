"""Serve a person's files to the portal while nothing of their project runs; a program of pods.

    python3 … HASH

A request is a POST of a JSON object with ``do`` (a key of `TASKS`, or `DELETE`), ``project`` and
``path``; its ``Authorization`` is the token that has this SHA-256. Answers are 200 with JSON, a
file or a ZIP; 422 with ``errno`` and ``why`` of an `OSError`; 400 or 401; 503 while too many
requests are under way. They come in chunks, so that one that was cut is not taken for a whole one.

The program ends when nobody has asked for a while. Neighbours: `folders`; `remote`, which asks;
`filespods`, which starts it. In its pod there are only the standard library and the modules that
it imports, under the same names.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from sessions.backends.personfiles import FilesHere, PersonFiles
from sessions.repofiles.browse import Browser, Entry

from . import folders

VOLUME = "/run/bindery/volume"
PORT = 8890
IDLE_SECONDS = 300.0
REQUEST_SECONDS = 10.0
"""Time limit for sending a request."""
STALL_SECONDS = 300.0
"""How long a piece of an answer may wait for somebody who downloads it slowly."""
DELETE_SECONDS = 4.0
"""How long the answer waits for a deletion, which goes on anyway."""
MAX_JOBS = 6
MAX_THREADS = 32
MAX_REQUEST_BYTES = 500_000

Pieces = Iterable[bytes]


class Busy(Exception):
    """Enough requests are under way."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; for the host "", of IPv4 and, if the kernel has it, IPv6."""
    address, backlog = (host, port), MAX_THREADS
    if not host and socket.has_dualstack_ipv6():
        with suppress(OSError):  # then there may still be IPv4
            return socket.create_server(
                address, family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
            )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server(address, family=family, backlog=backlog)


class Server(ThreadingTCPServer):
    """The server; ``open_files`` opens the files of the volume and the project that are named."""

    daemon_threads = True
    timeout = 0.5

    def __init__(
        self,
        listener: socket.socket,
        digest: str,
        open_files: Callable[[str, ExitStack], PersonFiles],
    ) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.digest = digest
        self._open_files = open_files
        self._lock = threading.Lock()
        self._jobs = 0
        self._last = time.monotonic()

    def serve_until_idle(self, seconds: float) -> None:
        """Answer requests until there has been none for so long."""
        while self._jobs or time.monotonic() - self._last < seconds:
            self.handle_request()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether another connection may be held."""
        return threading.active_count() < MAX_THREADS

    @contextmanager
    def job(self, project: str) -> Iterator[PersonFiles]:
        """Open the files for one job. Raises `Busy`."""
        with self._lock:
            if self._jobs >= MAX_JOBS:
                raise Busy
            self._jobs += 1
        try:
            with ExitStack() as stack:
                yield self._open_files(project, stack)
        finally:
            with self._lock:
                self._jobs -= 1
                self._last = time.monotonic()


class Handler(BaseHTTPRequestHandler):
    """One request; each has its own connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a body waits 40 ms after its head
    timeout = REQUEST_SECONDS

    def do_POST(self) -> None:
        """Answer it."""
        self.close_connection = True
        body = self._body()  # first: a connection that is closed before it is read is reset
        if not self._has_token():
            return self._send(401)
        try:
            task, project, path = _wanted(body)
        except (ValueError, KeyError, TypeError, RecursionError):
            return self._send(400)
        try:
            if task == DELETE:
                return self._send(200, _json(_deleted(self.server, project, path)))
            with self.server.job(project) as files:
                self._send(200, TASKS[task](files, path))
        except Busy:
            self._send(503)
        except OSError as error:
            self._send(422, _json({"errno": _number(error), "why": error.strerror or ""}))

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        fits = length.isdecimal() and len(length) < 9 and int(length) <= MAX_REQUEST_BYTES
        return self.rfile.read(int(length)) if fits else b""

    def _has_token(self) -> bool:
        given = hashlib.sha256(self.headers.get("Authorization", "").encode()).hexdigest()
        return hmac.compare_digest(given, self.server.digest)

    def _send(self, status: int, pieces: Pieces = ()) -> None:
        """Send an answer; leave out its end if something breaks halfway."""
        self.connection.settimeout(STALL_SECONDS)
        with suppress(OSError):
            self.send_response_only(status)
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Connection", "close")
            self.end_headers()
            for piece in pieces:
                if piece:  # an empty chunk would be the end
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Log nothing: names of files are nobody's business."""


def _wanted(body: bytes) -> tuple[str, str, str]:
    """Return task, project and path. Raises various errors if the request makes no sense."""
    wanted = json.loads(body)
    task, project, path = (str(wanted[key]) for key in ("do", "project", "path"))
    if (task not in TASKS and task != DELETE) or project.startswith(".") or "/" in project:
        raise ValueError(task)
    return task, project, path


def _entry(entry: Entry) -> dict[str, Any]:
    """Return it without its path, which whoever asks knows, and which may be long."""
    return {**asdict(entry), "path": entry.path is not None}


def _json(value: Any) -> Pieces:
    return [json.dumps(value).encode()]


DELETE = "delete"
TASKS: dict[str, Callable[[PersonFiles, str], Pieces]] = {
    "kind": lambda files, path: _json(files.kind(path)),
    "entries": lambda files, path: _json([_entry(each) for each in files.entries(path)]),
    "content": lambda files, path: files.content(path),
    "archive": lambda files, path: files.archive(path),
}
"""Maps names to what `PersonFiles` can do, except for `DELETE`."""


def _deleted(server: Server, project: str, path: str) -> bool:
    """Delete it in a thread; return whether that has ended in time. Raises what it has raised."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            with server.job(project) as files:
                files.delete(path)
        except (OSError, Busy) as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DELETE_SECONDS)
    if failures:
        raise failures[0]
    return not thread.is_alive()


def _number(error: OSError) -> int:
    if error.errno:
        return error.errno
    kinds = {FileNotFoundError: errno.ENOENT, PermissionError: errno.EPERM}
    return kinds.get(type(error), errno.EIO)


def open_files(volume: str, project: str, stack: ExitStack) -> PersonFiles:
    """Return the files of the volume and the project's folder, which ``stack`` keeps open.

    No link on the way to that folder is followed. The folder with all projects is not shown in the
    volume, as another notebook may be running in it; a link or a file in its place is.
    """
    places = {"volume": volume}
    with suppress(FileNotFoundError, folders.Blocked):
        home = folders.open_path(volume, (*folders.HOMES, project), make=False)
        stack.callback(os.close, home)
        places = {"project": f"/proc/self/fd/{home}", **places}
    own = os.path.join(volume, folders.HOMES[0])
    is_own = os.path.isdir(own) and not os.path.islink(own)
    hidden = [f"volume/{folders.HOMES[0]}"] if is_own else []
    return FilesHere(Browser(places, folders.remove, hidden))


def main(argv: list[str]) -> None:
    """Serve until nobody asks any more."""
    (digest,) = argv
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(listen("", PORT), digest, partial(open_files, VOLUME))
    server.serve_until_idle(IDLE_SECONDS)
