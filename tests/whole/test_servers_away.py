"""PostgreSQL and Redis go away and come back: people wait, nothing ends, and nobody has to repair
anything.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.drill import servers
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import Api, Stack, eventually, started

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow("a portal of its own, whose servers go and come back", seconds=300),
]

PARTS = ("web", "worker", "watch")
LOCKS = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    print(cursor.fetchone()[0])
"""
"""Program that prints how many watch processes hold the lock of the active one."""
Away = tuple[Stack, servers.Server, servers.Server]


@pytest.fixture
def away(warm_data: Path, git: GitServer) -> Iterator[Away]:
    """A portal, and the two servers that it needs."""
    with servers.postgres() as (database, database_url), servers.redis() as (redis, redis_url):
        portal = Stack(
            DATABASE_URL=database_url, REDIS_URL=redis_url, PORTAL_TRUSTED_GIT_HOSTS=git.host
        )
        portal.warm_up(warm_data)
        with started(portal):
            yield portal, database, redis


def test_a_portal_recovers_from_outages_of_postgresql_and_redis(away: Away, git: GitServer) -> None:
    portal, database, redis = away
    portal.account("ada")
    parts = [portal.part(name) for name in PARTS]
    with portal.api("ada") as ada:
        running = ada.launch(git.repository("ada/away", {"index.ipynb": "{}"}))
        ada.until(running, "ready")
        with Kernel(ada, running) as kernel:
            assert kernel.run("answer = 42; print('noted')") == "noted\n"
            database.end(signal.SIGINT)
            page = httpx.get(f"{portal.url}/sign-in/", timeout=30)
            assert page.status_code == 503, page.text
            assert "database.away" in page.text
            assert ada.http.get("me/").json()["code"] == "database.away"
            assert kernel.run("print(answer)") == "42\n"
            redis.end(signal.SIGKILL)
            database.start()
            _launched(ada, running)
            assert kernel.run("print(answer)") == "42\n"
        assert httpx.get(f"{portal.url}/sign-in/", timeout=30).status_code == 200
        redis.start()
        _launched(ada, running)
    eventually(portal.is_healthy, within=120, what="a healthy portal")
    assert portal.manage("shell", "-c", LOCKS).splitlines()[-1] == "1"
    assert [portal.part(name) for name in PARTS] == parts  # nobody had to be started again


def _launched(ada: Api, project: str) -> None:
    """Launch the project's repository once more, which takes web, worker and watch."""
    repository = eventually(lambda: _repository(ada, project), what="the database")
    again = ada.launch(repository)
    ada.until(again, "ready")
    ada.delete(again)


def _repository(ada: Api, project: str) -> str | None:
    answer = ada.http.get(f"projects/{project}/")
    return str(answer.json()["repository"]) if answer.status_code == 200 else None
