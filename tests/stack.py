"""A whole portal as people run it: ``manage.py up`` on a free port, with its own data folder.

Its parts can be killed one by one. All that it started is ended with it, notebooks included.
"""

from __future__ import annotations

import logging
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import httpx

from bench.harness.ports import free_port
from sessions.backends.local.keeper import cgroups
from sessions.backends.local.keeper.files import remove
from tests import processes, scratch
from tests.pauses import looked
from tests.warm import warm_up

PROJECT = Path(__file__).resolve().parent.parent
PASSWORD = "a long password for tests"
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: loading the machine's authorities takes longer than a request."""

T = TypeVar("T")

logging.getLogger("httpx").setLevel(logging.WARNING)

END_EVERYTHING = """
from sessions.backends import get_backend
from sessions.backends.local import LocalBackend, keeper_processes
backend = get_backend()
if isinstance(backend, LocalBackend):
    keeper_processes.kill(backend.folders.base_keeper, keeper_processes.CANCEL)
for report in backend.servers(): backend.remove_server(report.id)
for report in backend.builds(): backend.cancel_build(report.id)
"""


def eventually(ask: Callable[[], T | None], *, within: float = 30.0, what: str = "it") -> T:
    """Return the first true answer of ``ask``; fails if there is none in time."""
    answer = looked(ask, within)
    assert answer, f"{what} did not happen within {within:g} s; last answer: {answer!r}"
    return answer


WITH_THE_TEST = ("setpriv", "--pdeathsig", "TERM", "--")
"""Put before a command: it is told to end when the thread that started it ends."""


class Stack:
    """A running portal. ``patience`` is how many times longer than on one machine a back end may
    take; ``data`` is a folder of its own unless one is given, and ``inside`` is put before the
    command of each of its programs.
    """

    def __init__(
        self,
        patience: float = 1,
        *,
        data: Path | None = None,
        inside: Sequence[str] = (),
        **environment: str,
    ) -> None:
        self.patience = patience
        self.inside = inside
        self.home = scratch.folder() if data is None else data.parent
        self.data = data or self.home
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"},
            "PORTAL_DATA": str(self.data),
            "PORTAL_PORT": str(self.port),
            "PORTAL_ADMIN_PASSWORD": PASSWORD,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._tokens: dict[str, str] = {}
        self.log = self.home / "up.log"

    def start(self, is_up: Callable[[], bool] | None = None) -> None:
        """Start the portal; return once it can take a launch, or ``is_up`` returns true."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.inside, *WITH_THE_TEST, sys.executable, "manage.py", "up"],
                cwd=PROJECT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(is_up or self.is_healthy, within=180, what="a healthy portal")

    def checks(self) -> dict[str, str]:
        """Return what ``/health`` says of each part; nothing while nobody answers."""
        try:
            return dict(self._health().json()["checks"])
        except (httpx.HTTPError, ValueError):
            return {}

    def is_healthy(self) -> bool:
        try:
            return self._health().status_code == 200
        except httpx.HTTPError:
            return False

    def _health(self) -> httpx.Response:
        return httpx.get(f"{self.url}/health", timeout=5, verify=NO_AUTHORITIES)

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0
            self.process = None

    def close(self) -> None:
        """End everything, notebooks too, and leave nothing behind."""
        self.stop()
        run = self.data / "run"
        self.manage("shell", "-c", END_EVERYTHING)
        looked(lambda: not _running(run), 20)
        left = [f"{pid}: {processes.command(pid)}" for pid in _running(run)]
        assert not left, f"these have not ended: {left}"
        cgroups.sweep(run, ())
        remove(self.data)

    def manage(self, *arguments: str, expected: int = 0, within: float = 60) -> str:
        """Return what ``manage.py`` prints; ``expected`` is its exit status."""
        done = subprocess.run(
            [*self.inside, sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
        )
        assert done.returncode == expected, done.stderr
        return done.stdout.strip()

    def warm_up(self, there: Path) -> None:
        """Copy what builds need from another data folder, which saves making it."""
        warm_up(self.data, there, self.inside)

    def account(self, username: str) -> None:
        """Make an account that signs in with `PASSWORD`."""
        make = f"User.objects.create_user('{username}', password='{PASSWORD}')"
        self.manage("shell", "-c", f"from portal.models import User; {make}")

    def api(self, username: str = "admin") -> Api:
        """Return a client with a person's token, the same one for as long as it is valid."""
        if token := self._tokens.get(username):
            api = Api(self, token)
            if api.http.get("me/").status_code == 200:
                return api
            api.http.close()
        self._tokens[username] = self.manage("create_token", username).splitlines()[-1]
        return Api(self, self._tokens[username])

    def part(self, name: str) -> int | None:
        """Return the pid of web, worker, watch or keepers; None while the part is being
        restarted.
        """
        words = {"web": "uvicorn", "worker": "qcluster", "watch": "watch", "keepers": "forkserver"}
        assert self.process
        for pid in processes.children(self.process.pid):
            if words[name] in processes.command(pid):
                return pid
        return None

    def kill(self, name: str) -> None:
        """``kill -9`` one part; it is back when the portal is healthy again."""
        pid = eventually(lambda: self.part(name), what=name)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{pid}").exists(), what=f"the end of {name}")


class Place(Protocol):
    """Where a portal is: its address, whose host is this machine, and its patience (`Stack`)."""

    url: str
    port: int
    patience: float


class Api:
    """A client of the API with a person's token."""

    def __init__(self, stack: Place, token: str) -> None:
        self.stack = stack
        self.token = token
        self.http = httpx.Client(
            base_url=f"{stack.url}/api/v1/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            verify=NO_AUTHORITIES,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *why: object) -> None:
        self.http.close()

    def launch(self, repository: str, **more: str) -> str:
        """Launch a repository and return the name of the new project."""
        answer = self.http.post("projects/", json={"repository": repository, **more})
        assert answer.status_code == 201, answer.text
        name: str = answer.json()["name"]
        return name

    def project(self, name: str) -> dict[str, Any]:
        answer = self.http.get(f"projects/{name}/")
        assert answer.status_code == 200, answer.text
        project: dict[str, Any] = answer.json()
        return project

    def verb(self, name: str, verb: str) -> None:
        answer = self.http.post(f"projects/{name}/{verb}/")
        assert answer.status_code == 202, answer.text

    def delete(self, name: str, *, for_good: bool = True) -> None:
        """Delete the project; by default for good, so that nothing of it outlives the test."""
        address = f"projects/{name}/"
        answer = self.http.delete(address, params={"for_good": "true"} if for_good else None)
        assert answer.status_code == 202, answer.text

    def until(self, name: str, *states: str, within: float = 120) -> dict[str, Any]:
        """Wait until the project is in one of these states, and return it."""

        def arrived() -> dict[str, Any] | None:
            try:
                project = self.project(name)
            except httpx.HTTPError:  # web is being restarted
                return None
            if project["state"] == "failed" and "failed" not in states:
                raise AssertionError(project["message"])
            return project if project["state"] in states else None

        within *= self.stack.patience
        return eventually(arrived, within=within, what=f"{name} being {' or '.join(states)}")

    def story(self, name: str) -> list[dict[str, Any]]:
        """Return all events and log lines so far."""
        events: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self.http.get(f"projects/{name}/events/", params={"after": after}).json()
            if not page["events"]:
                return events
            events += page["events"]
            after = page["next"]

    def log(self, name: str) -> list[str]:
        """Return the lines of the build's log."""
        pieces = [item["message"] for item in self.story(name) if item.get("log")]
        return "\n".join(pieces).split("\n")


@contextmanager
def running(patience: float = 1, **environment: str) -> Iterator[Stack]:
    with started(Stack(patience, data=None, inside=(), **environment)) as stack:
        yield stack


@contextmanager
def started(stack: Stack) -> Iterator[Stack]:
    try:
        stack.start()
        yield stack
    except BaseException:
        print(stack.log.read_text(errors="replace")[-5000:])  # noqa: T201  for the report
        raise
    finally:
        stack.close()


def _running(run: Path) -> list[int]:
    """Return the pids of the keepers: each holds a lock below this folder for as long as it
    lives.
    """
    below = f"{run}/"
    everything = processes.everything()
    return [pid for pid in everything if any(below in each for each in processes.held(pid))]
