"""A faulty proxy before every service outside of a whole portal, one at a time, while two people
launch: ada by way of that service, and bob. Nobody waits for somebody else's trouble.

The check tries the fault that hurts most, silence; `make test-long` tries all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from bench.drill import servers
from bench.drill.stage import SMALL
from tests.faults import FAULTS, NONE, SILENT, FaultyProxy
from tests.githttp import GitServer
from tests.oidc.hostile import CLIENT, SECRET, Hostile
from tests.packageindex import PACKAGE, PackageIndex
from tests.smtp import MailServer
from tests.stack import Api, Stack, eventually, started

pytestmark = [
    pytest.mark.stack,
    pytest.mark.long,
    pytest.mark.xdist_group("outside"),
    pytest.mark.slow("a portal of its own, with all services that it can have", seconds=600),
]

PARTS = ("git", "index", "provider", "mail", "redis", "database")
CROWD = 40
"""People who press a button at the same time; more than web has threads."""
SPARE_SECONDS = 6.0
"""Time that bob's start may take longer than twice its time in peace, for a machine that is busy;
less than most calls outside may take.
"""
OUTAGE_SECONDS = 3.0
"""How long the database, without which nothing works, has its fault."""
LETTERS = """
from django.utils import timezone
from django_q.tasks import async_task
from portal.models import Letter, User
for number in range(8):
    Letter.objects.create(
        key=f"{timezone.now().timestamp()}-{number}", to=User.objects.get(username="ada"),
        subject="x", text="x", html="x",
    )
    async_task("sessions.tasks.send_letters")
"""


@dataclass
class Outside:
    """A portal, and a proxy before each service. ``peace`` is how long a start takes in peace."""

    stack: Stack
    git: GitServer
    proxies: dict[str, FaultyProxy]
    ada: Api
    bob: Api
    quick: str = ""
    peace: float = 0.0
    launched: list[str] = field(default_factory=list)

    def start_and_stop(self) -> float:
        """Have bob start his project and stop it again; return the seconds that it took."""
        began = time.monotonic()
        self.bob.verb(self.quick, "start")
        self.bob.until(self.quick, "ready", within=90)
        took = time.monotonic() - began
        self.bob.verb(self.quick, "stop")
        self.bob.until(self.quick, "stopped", within=90)
        return took

    def launch_from_git(self) -> None:
        """Have ada launch from a git server behind the proxy."""
        self.git.repository("ada/far", {"index.ipynb": "{}", "at": str(time.time())})
        url = f"http://{self.proxies['git'].address}/ada/far.git"
        self.launched.append(self.ada.launch(url))

    def launch_with_packages(self) -> None:
        """Have ada launch something whose packages come from the index behind the proxy."""
        index = f"--index-url http://{self.proxies['index'].address}/simple\n{PACKAGE}\n"
        url = self.git.repository(f"ada/p{time.time_ns()}", {"requirements.txt": index})
        self.launched.append(self.ada.launch(url))

    def sign_in(self) -> None:
        """Have a crowd press “Sign in”; return when all are under way or answered."""
        pool = ThreadPoolExecutor(CROWD)
        for _each in range(CROWD):
            pool.submit(httpx.get, f"{self.stack.url}/oidc/provider/sign-in/", timeout=60)
        pool.shutdown(wait=False)

    def write_letters(self) -> None:
        """Have letters sent, by more tasks than the worker has processes."""
        self.stack.manage("shell", "-c", LETTERS)

    def clear(self) -> None:
        """Delete what ada has launched, whatever became of it."""
        while self.launched:
            self.ada.delete(self.launched.pop())


@pytest.fixture(scope="module")
def outside(warm_data: Path) -> Iterator[Outside]:
    with ExitStack() as ends:
        database_url = ends.enter_context(servers.postgres())[1]
        redis_url = ends.enter_context(servers.redis())[1]
        git, mail = ends.enter_context(GitServer()), ends.enter_context(MailServer())
        index, provider = ends.enter_context(PackageIndex()), ends.enter_context(Hostile())
        ports = {
            "git": git.port,
            "index": index.port,
            "provider": int(provider.issuer.rpartition(":")[2]),
            "mail": mail.port,
            "redis": urlsplit(redis_url).port or 0,
            "database": urlsplit(database_url).port or 0,
        }
        proxies = {
            part: ends.enter_context(FaultyProxy(("127.0.0.1", port)))
            for part, port in ports.items()
        }
        provider.issuer = f"http://{proxies['provider'].address}"
        variables = {
            "DATABASE_URL": _by_way_of(proxies["database"], database_url),
            "REDIS_URL": _by_way_of(proxies["redis"], redis_url),
            "PORTAL_TRUSTED_GIT_HOSTS": f"{git.host},{proxies['git'].address}",
            "PORTAL_TRUSTED_HOSTS": proxies["index"].address,
            "PORTAL_EMAIL_URL": f"smtp://{proxies['mail'].address}",
            "PORTAL_EMAIL_FROM": "Bindery <bindery@example.org>",
            "PORTAL_PASSWORD_SIGN_IN": "1",
            "OIDC_RP_CLIENT_ID": CLIENT,
            "OIDC_RP_CLIENT_SECRET": SECRET,
            "OIDC_OP_ISSUER": provider.issuer,
        }
        stack = Stack(1, data=None, inside=(), **variables, **SMALL)
        stack.warm_up(warm_data)
        ends.enter_context(started(stack))
        stack.account("ada")
        stack.account("bob")
        ada, bob = ends.enter_context(stack.api("ada")), ends.enter_context(stack.api("bob"))
        found = Outside(stack, git, proxies, ada, bob)
        found.quick = bob.launch(git.repository("bob/quick", {"index.ipynb": "{}"}))
        bob.until(found.quick, "ready")
        bob.verb(found.quick, "stop")
        bob.until(found.quick, "stopped")
        found.peace = found.start_and_stop()
        yield found
        for proxy in proxies.values():
            proxy.fault = NONE
        found.clear()
        bob.delete(found.quick)


def _by_way_of(proxy: FaultyProxy, url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f"{parts.hostname}:{parts.port}", proxy.address)


@pytest.fixture(autouse=True)
def peaceful(outside: Outside) -> Iterator[None]:
    """Bring peace back after each test."""
    yield
    for proxy in outside.proxies.values():
        proxy.fault = NONE
    outside.clear()
    eventually(outside.stack.is_healthy, within=60, what="a healthy portal")


def _used(outside: Outside, part: str) -> Callable[[], None]:
    """Return what makes the portal use this part."""
    return {
        "git": outside.launch_from_git,
        "index": outside.launch_with_packages,
        "provider": outside.sign_in,
        "mail": outside.write_letters,
    }.get(part, lambda: None)


def _try(outside: Outside, part: str, fault: str) -> None:
    """Have both launch while this part has this fault, and compare how long bob waits."""
    outside.proxies[part].fault = fault
    _used(outside, part)()
    took = outside.start_and_stop()
    assert took < 2 * outside.peace + SPARE_SECONDS, f"bob waited {took:.1f} s"
    assert _seconds_of(outside.stack) < SPARE_SECONDS


def _seconds_of(stack: Stack) -> float:
    """Return how long the home page takes."""
    began = time.monotonic()
    assert httpx.get(f"{stack.url}/sign-in/", timeout=60).status_code == 200
    return time.monotonic() - began


OTHERS = [part for part in PARTS if part != "database"]


@pytest.mark.parametrize("part", OTHERS)
def test_nobody_waits_for_a_service_of_somebody_else_that_is_silent(
    outside: Outside, part: str
) -> None:
    _try(outside, part, SILENT)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("part", OTHERS)
def test_nobody_waits_for_a_faulty_service_of_somebody_else(
    outside: Outside, part: str, fault: str
) -> None:
    _try(outside, part, fault)
    outside.proxies[part].fault = NONE
    for name in outside.launched:  # nothing hangs: there is a notebook, or a reason
        project = outside.ada.until(name, "ready", "failed", within=240)
        assert project["state"] == "ready" or project["code"], project


def _starts_during_outage(outside: Outside, fault: str) -> None:
    proxy = outside.proxies["database"]
    with ThreadPoolExecutor(1) as pool:
        outside.bob.verb(outside.quick, "start")
        proxy.fault = fault
        page = pool.submit(httpx.get, f"{outside.stack.url}/sign-in/", timeout=60)
        time.sleep(OUTAGE_SECONDS)
        proxy.fault = NONE
        assert page.result().status_code in {200, 503}
    outside.bob.until(outside.quick, "ready", within=60)
    outside.bob.verb(outside.quick, "stop")
    outside.bob.until(outside.quick, "stopped", within=60)


@pytest.mark.parametrize("fault", [SILENT])
def test_a_launch_continues_after_the_database_was_silent(outside: Outside, fault: str) -> None:
    _starts_during_outage(outside, fault)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_launch_continues_after_any_fault_of_the_database(outside: Outside, fault: str) -> None:
    _starts_during_outage(outside, fault)
