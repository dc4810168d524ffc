"""Run a whole portal as ``make run`` does (SQLite, no Redis), with people who launch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.drill import inside
from bench.drill.stage import SMALL
from tests import processes
from tests.githttp import GitServer
from tests.stack import Api, Stack, started

TRIVIAL = Path(__file__).resolve().parent.parent / "trivial.py"
REPOSITORY = "bench/trivial"
UNBOUND = {"PORTAL_API_RATE": "1000000000", "PORTAL_API_CHANGE_RATE": "1000000000"}
"""Requests are still counted; nobody is refused."""
EMBEDDED = {"DATABASE_URL": "", "REDIS_URL": ""}
_START = """#!/bin/bash
# In place of JupyterLab, the command of which follows.
exec /opt/env/bin/python -I -S trivial.py /run/bindery/lab
"""


@dataclass(frozen=True)
class Portal:
    """A running portal.

    ``trivial`` is the address of a repository whose notebook is the trivial server; its environment
    is built. ``tokens`` are people's, by name.
    """

    stack: Stack
    git: GitServer
    trivial: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """Return the address of the REST API, without a slash at the end."""
        return f"{self.stack.url}/api/v1"

    def headers(self, name: str) -> dict[str, str]:
        """Return the headers with a person's token."""
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def people(self, names: list[str]) -> None:
        """Make accounts and tokens for those that have none yet."""
        if new := [name for name in names if name not in self.tokens]:
            self.tokens.update(inside.run(self.stack, "bench.portals.people", *new))

    def pids(self) -> dict[str, list[int]]:
        """Return the processes of each part."""
        return parts(self.stack)


def parts(stack: Stack) -> dict[str, list[int]]:
    """Return the processes of each part, with their descendants; ``up`` supervises them."""
    top = stack.process.pid if stack.process else 0
    found = {name: stack.part(name) for name in ("web", "worker", "watch", "keepers")}
    return {"up": [top]} | {name: _family(pid) for name, pid in found.items() if pid}


@contextmanager
def running(like: Stack | None = None) -> Iterator[Portal]:
    """Start it and yield it after the trivial repository was launched and deleted once."""
    with GitServer() as git:
        files = {"start": _START, "trivial.py": TRIVIAL.read_text(encoding="utf-8")}
        url = git.repository(REPOSITORY, files, executable=["start"])
        stack = Stack(1, data=None, inside=(), **_environment(git))
        if like:
            stack.warm_up(like.data)
        with started(stack):
            portal = Portal(stack, git, url)
            portal.people(["root"])
            warm_up(portal)
            yield portal


def warm_up(portal: Portal) -> None:
    """Launch the trivial repository, wait until it is ready, and delete the project."""
    with Api(portal.stack, portal.tokens["root"]) as api:
        name = api.launch(portal.trivial)
        api.until(name, "ready", within=180)
        api.delete(name)


def _environment(git: GitServer) -> Mapping[str, str]:
    return {"PORTAL_TRUSTED_GIT_HOSTS": git.host, **EMBEDDED, **SMALL, **UNBOUND}


def _family(pid: int) -> list[int]:
    return [pid, *(each for child in processes.children(pid) for each in _family(child))]
