"""Fixtures for all tests. The cast: ada owns, bob is someone else, eve is signed out. Of staff,
vera looks, sue supports and stan operates; root may do everything. A scripted back end, for all
tests that are not about a real one. A git server and a whole portal, for tests that need one.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from asgiref.sync import SyncToAsync
from django.core.cache import cache
from django.db import connections
from django.test import Client

from bench.harness.ports import free_port
from portal import roles
from portal.models import User
from sessions import backends
from tests import emptying, warm
from tests.fixtures import (
    bring_up,
    git,
    project,
    server,
    settled,
    things,
    url,
    watch,
    worker,
)
from tests.githttp import GitServer
from tests.redisserver import redis_server
from tests.replica import Replica
from tests.scripted import ScriptedBackend
from tests.sshd import SshServer
from tests.stack import Stack, started

__all__ = ["bring_up", "git", "project", "server", "settled", "things", "url", "watch", "worker"]

# How long an example takes says something about the machine only.
UNTIMED = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], max_examples=200
)
hypothesis.settings.register_profile("checks", UNTIMED)
hypothesis.settings.register_profile("long", UNTIMED, max_examples=20_000)
hypothesis.settings.load_profile("checks")
emptying.install()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Let threads keep no connection to the database: it is removed while they still exist."""
    connections.settings["default"]["CONN_MAX_AGE"] = 0


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    """Hash passwords quickly: real hashes are slow on purpose, and most tests only need one that
    works.
    """
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def quick_rechecks(settings) -> None:
    """Recheck often whether what is open is still allowed, so that no test waits seconds for it."""
    settings.PORTAL_LIVE_RECHECK = settings.PORTAL_GATEWAY_RECHECK = 0.1


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Clear the cache, so that counts of one test do not reach the next."""
    cache.clear()


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    """Close the database connections of the thread in which asynchronous code reads."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture
def ada(db) -> User:
    return User.objects.create_user("ada", "ada@example.org", "ada's password")


@pytest.fixture
def bob(db) -> User:
    return User.objects.create_user("bob", "bob@example.org", "bob's password")


def staff(name: str, role: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.org", f"{name}'s password")
    roles.assign_role(user, role)
    return user


@pytest.fixture
def vera(db) -> User:
    return staff("vera", "viewer")


@pytest.fixture
def sue(db) -> User:
    return staff("sue", "support")


@pytest.fixture
def stan(db) -> User:
    return staff("stan", "operator")


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root", "root@example.org", "root's password")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def as_ada(ada: User) -> Client:
    return signed_in(ada)


@pytest.fixture
def as_bob(bob: User) -> Client:
    return signed_in(bob)


@pytest.fixture
def as_vera(vera: User) -> Client:
    return signed_in(vera)


@pytest.fixture
def as_sue(sue: User) -> Client:
    return signed_in(sue)


@pytest.fixture
def as_stan(stan: User) -> Client:
    return signed_in(stan)


@pytest.fixture
def as_root(root: User) -> Client:
    return signed_in(root)


@pytest.fixture
def as_eve() -> Client:
    return Client()


@pytest.fixture
def backend(settings) -> Iterator[ScriptedBackend]:
    backends.BACKENDS["scripted"] = "tests.scripted.ScriptedBackend"
    settings.PORTAL_BACKEND = "scripted"
    backends.get_backend.cache_clear()
    scripted = backends.get_backend()
    assert isinstance(scripted, ScriptedBackend)
    yield scripted
    backends.get_backend.cache_clear()
    del backends.BACKENDS["scripted"]


@pytest.fixture
def redis(tmp_path: Path, settings) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis of the test's own, which the test may stop."""
    with redis_server(tmp_path) as (address, process):
        settings.REDIS_URL = address
        yield process


@pytest.fixture(scope="session")
def git_server() -> Iterator[GitServer]:
    with GitServer() as server:
        yield server


@pytest.fixture(scope="session")
def ssh_server() -> Iterator[SshServer]:
    with SshServer() as server:
        yield server


@pytest.fixture(scope="session")
def replica() -> Iterator[Replica]:
    """All archives, for the whole portal."""
    with Replica() as replica:
        yield replica


@pytest.fixture(scope="session")
def warm_data(git_server: GitServer) -> Path:
    """A data folder with the tools that every local back end needs first."""
    return warm.folder(git_server)


@pytest.fixture(scope="session")
def stack(
    git_server: GitServer, ssh_server: SshServer, replica: Replica, warm_data: Path
) -> Iterator[Stack]:
    """A whole running portal in which ada and bob have accounts. Notebooks can reach the SSH
    server, too. It lists one origin of another port, where a test may serve pages.
    """
    trusted = f"{git_server.host},{ssh_server.host}"
    stack = Stack(
        PORTAL_TRUSTED_GIT_HOSTS=trusted,
        PORTAL_TRUSTED_HOSTS=ssh_server.host,
        PORTAL_ARCHIVE_HOSTS=replica.setting,
        PORTAL_KNOWN_HOSTS=ssh_server.host_key,
        PORTAL_ACTIVITY_SECONDS="10",
        PORTAL_NGINX_SECRET=secrets.token_hex(32),
        PORTAL_CORS_ORIGINS=f"http://localhost:{free_port()}",
    )
    stack.warm_up(warm_data)
    with started(stack):
        stack.account("ada")
        stack.account("bob")
        yield stack
