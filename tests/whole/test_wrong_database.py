"""A portal on its data with an empty or an older database: nobody loses anything."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import Api, Stack, started

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow("a portal of its own starts again and again", seconds=600),
]

WRITE = "import pathlib; pathlib.Path('/home/jovyan/work.txt').write_text('mine'); answer = 42"
READ = "print(answer, pathlib.Path('/home/jovyan/work.txt').read_text())"
# Two passes with what they ask of the worker, as two minutes would have it.
PASSES = """
import json
from django_q.models import OrmQ
from sessions.backends import get_backend
from sessions.watch.reconcile import reconcile
from sessions import retention
from tests.pauses import looked
for _pass in range(2):
    reconcile()
    retention.tidy()
    looked(lambda: not OrmQ.objects.exists(), 10)
backend = get_backend()
there = backend.inventory()
kept = [sorted(there.projects), sorted(there.volumes), sorted(there.sessions)]
states = sorted([report.name, report.state] for report in backend.servers())
print(json.dumps([kept, states, sorted(image.name for image in backend.images())]))
"""


@pytest.fixture
def mine(git_server: GitServer, warm_data: Path) -> Iterator[Stack]:
    """A portal of this test's own."""
    stack = Stack(PORTAL_TRUSTED_GIT_HOSTS=urlsplit(git_server.url("ada/plain")).netloc)
    stack.warm_up(warm_data)
    with started(stack):
        stack.account("ada")
        yield stack


def test_nothing_is_removed_with_an_empty_database(mine: Stack, git_server: GitServer) -> None:
    survives_an_empty_one(mine, git_server)


@pytest.mark.long
def test_nothing_is_removed_and_adopt_reunites_database_and_data(
    mine: Stack, git_server: GitServer
) -> None:
    survives(mine, git_server)


def survives(stack: Stack, git: GitServer) -> None:
    """Swap the portal's database; assert that everything is there, runs, and is reported."""
    with stack.api("ada") as ada:
        known = _running(ada, git.repository("ada/known", {"index.ipynb": "{}"}))
        older = _copied(stack)
        later = _running(ada, git.repository("ada/later", {"index.ipynb": "{}"}))
        before = _kept(stack)
        with _on_an_empty_one(stack):
            assert _kept(stack) == before
            assert _refusal(stack) == "installation.undecided"
            assert "portal.installation" in _doctor(stack)
        with _on(stack, older, "the database is older than the data"):
            assert _kept(stack) == before
            _goes_on(ada, *known)
        stack.start()  # with the database that belongs to it
        for each in (known, later):
            _goes_on(ada, *each)
        _adopt(stack, older, later[0], ada, git)
        _goes_on(ada, *known)


def survives_an_empty_one(stack: Stack, git: GitServer) -> None:
    """Do the same with an empty database alone."""
    with stack.api("ada") as ada:
        known = _running(ada, git.repository("ada/known", {"index.ipynb": "{}"}))
        before = _kept(stack)
        with _on_an_empty_one(stack):
            assert _kept(stack) == before
            assert _refusal(stack) == "installation.undecided"
        stack.start()
        _goes_on(ada, *known)


def _copied(stack: Stack) -> Path:
    """Return a copy of the database as it is now."""
    there, copy = stack.data / "db.sqlite3", stack.data / "older.sqlite3"
    with closing(sqlite3.connect(there)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def _on_an_empty_one(stack: Stack) -> AbstractContextManager[None]:
    unknown = "the data have things that the database does not know"
    return _on(stack, stack.data / "empty.sqlite3", unknown)


def _adopt(stack: Stack, older: Path, lost: str, ada: Api, git: GitServer) -> None:
    """Adopt an older database as the only one: whatever it does not know ends, and is kept."""
    stack.stop()
    stack.environment["DATABASE_URL"] = f"sqlite:///{older}"
    assert lost in stack.manage("adopt", "--yes")
    stack.start()
    (kept, states, _images) = json.loads(_kept(stack))
    assert [name for name, _state in states if name == lost] == []
    assert lost not in kept[0]
    assert "ada" in kept[1]
    name = ada.launch(git.repository("ada/later", {"index.ipynb": "{}"}))
    ada.until(name, "ready")


def _running(ada: Api, url: str) -> tuple[str, str]:
    """Launch a project and write into it; return its name and the id of the kernel that knows the
    answer.
    """
    name = ada.launch(url)
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel:
        kernel.run(WRITE)
        return name, kernel.id


def _goes_on(ada: Api, name: str, kernel_id: str) -> None:
    ada.until(name, "ready")
    with Kernel(ada, name, kernel_id) as kernel:
        assert kernel.run(READ) == "42 mine\n"


def _kept(stack: Stack) -> str:
    """Return everything there is, once the portal has checked all of it twice."""
    return stack.manage("shell", "-v", "0", "-c", PASSES).splitlines()[-1]


def _refusal(stack: Stack) -> str:
    with stack.api() as admin:
        answer = admin.http.post("projects/", json={"repository": "ada/known"})
        assert answer.status_code == 503, answer.text
        code: str = answer.json()["code"]
        return code


def _doctor(stack: Stack) -> str:
    return stack.manage("doctor", "--json", expected=1)


@contextmanager
def _on(stack: Stack, database: Path, says: str) -> Iterator[None]:
    """Run the portal on another database; ``/health`` says that this is wrong."""
    stack.stop()
    stack.environment["DATABASE_URL"] = f"sqlite:///{database}"
    stack.start(is_up=lambda: _says(stack, says))
    yield
    stack.stop()
    del stack.environment["DATABASE_URL"]


def _says(stack: Stack, words: str) -> bool:
    checks = stack.checks()
    others = {checks.get(part) for part in ("database", "worker", "watch", "backend")}
    return checks.get("installation") == words and others == {"ok"}
