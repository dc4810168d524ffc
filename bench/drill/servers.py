"""PostgreSQL and Redis of the drill's own, which can be killed and started again.

They listen on loopback, or on a given address of this machine.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.harness.ports import free_port
from tests.stack import eventually

LOOPBACK = "127.0.0.1"
_BIN = Path("/usr/lib/postgresql")
_AS_POSTGRES = ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups")


class Server:
    """A server's process. It ends with the *thread* that has started it, however that ends."""

    def __init__(self, words: Sequence[str | Path], folder: Path, place: tuple[str, int]) -> None:
        self._words = [str(word) for word in words]
        self._folder = folder
        self.place = place
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return when it takes connections. Remains of a killed one may delay that."""
        eventually(self._tried, within=60, what=f"a start of {self._words[-1]}")

    def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the process to exit."""
        if self.process:
            self.process.send_signal(number)
            self.process.wait(30)

    def _tried(self) -> bool:
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._words, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT
            )
        while self.process.poll() is None:
            if _answers(self.place):
                return True
            time.sleep(0.05)
        return False


@contextmanager
def postgres(address: str = LOOPBACK, *more: str) -> Iterator[tuple[Server, str]]:
    """Run a server with an empty database; yield it and its address. ``more`` are options."""
    own = _AS_POSTGRES if os.geteuid() == 0 else ()
    newest = max(_BIN.iterdir(), key=lambda path: int(path.name)) / "bin"
    with _folder() as folder:
        password, port = secrets.token_hex(16), free_port(address)
        (folder / "password").write_text(password)
        if own:
            shutil.chown(folder, "postgres", "postgres")
            shutil.chown(folder / "password", "postgres")
        words = ["initdb", "--pgdata", "data", "--username", "bindery", "--auth", "scram-sha-256"]
        words += ["--pwfile", "password", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        words[0] = str(newest / words[0])
        subprocess.run([*own, *words], cwd=folder, check=True, capture_output=True)
        with (folder / "data/pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        options = [f"listen_addresses={address}", "unix_socket_directories=", "max_connections=200"]
        options += ["fsync=off", *more]  # the machine goes on when the server is killed
        settings = [word for option in options for word in ("-c", option)]
        ends = [*(own or ("setpriv",)), "--pdeathsig", "INT", "--"]
        program = [*ends, newest / "postgres", "-D", "data", "-p", str(port), *settings]
        with _running(Server(program, folder, (address, port))) as server:
            yield server, f"postgres://bindery:{password}@{address}:{port}/postgres"


@contextmanager
def redis(address: str = LOOPBACK) -> Iterator[tuple[Server, str]]:
    """Run a server that stores nothing on disk; yield it and its address."""
    with _folder() as folder:
        port, password = free_port(address), secrets.token_hex(16)
        words = ["setpriv", "--pdeathsig", "KILL", "--", "redis-server", "--bind", address]
        words += ["--port", str(port), "--requirepass", password, "--save", "", "--dir", "."]
        with _running(Server(words, folder, (address, port))) as server:
            yield server, f"redis://:{password}@{address}:{port}/0"


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGINT)  # leaves nothing in shared memory


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bindery-drill-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, 1).close()
    except OSError:
        return False
    return True
