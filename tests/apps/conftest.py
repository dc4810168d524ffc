"""Fixtures: a portal as in production, behind nginx with TLS and on hosts of its own; a browser
that finds them; and applications that run in a notebook there.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from bench.harness.ports import free_port
from tests import nginx
from tests.apps.programs import Application
from tests.browser.conftest import PATIENCE, launched
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import PASSWORD, Api, Stack, started

HOSTS = f"MAP {nginx.PORTAL} 127.0.0.1, MAP *.{nginx.NOTEBOOKS} 127.0.0.1"
STARTED = """
import os, shlex, socket, subprocess, time
log = open("/tmp/app.log", "a")
app = subprocess.Popen({command!r}, shell=True, stdout=log, stderr=log)
def listens():
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", {port})) == 0
end = time.monotonic() + 120
while not listens() and app.poll() is None and time.monotonic() < end:
    time.sleep(0.1)
print("listens" if listens() else open("/tmp/app.log").read()[-3000:])
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/apps/" in item.path.as_posix():
            group = pytest.mark.xdist_group("apps")
            for mark in (pytest.mark.browser, pytest.mark.stack, pytest.mark.long, group):
                item.add_marker(mark)
            item.add_marker(pytest.mark.slow("installs and runs an application", seconds=600))


@pytest.fixture(scope="package")
def site(git_server: GitServer, warm_data: Path) -> Iterator[Stack]:
    """A portal at https://bindery.example.org, with notebooks below notebooks.example.net."""
    port, secret = free_port(), secrets.token_hex(32)
    stack = Stack(
        PORTAL_TRUSTED_GIT_HOSTS=git_server.host,
        PORTAL_URL=f"https://{nginx.PORTAL}:{port}",
        PORTAL_GATEWAY_DOMAIN=f"{nginx.NOTEBOOKS}:{port}",
        PORTAL_TRUSTED_PROXIES="127.0.0.1",
        PORTAL_NGINX_SECRET=secret,
    )
    stack.warm_up(warm_data)
    with nginx.in_production(port, stack.port, secret), started(stack):
        stack.account("ada")
        yield stack


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with launched(f"--host-resolver-rules={HOSTS}", "--ignore-certificate-errors") as browser:
        yield browser


@pytest.fixture
def page(site: Stack, chromium: Browser) -> Iterator[Page]:
    """A page in a new browser, signed out."""
    context = chromium.new_context(base_url=site.environment["PORTAL_URL"])
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def ada(site: Stack) -> Iterator[Api]:
    with site.api("ada") as api:
        yield api
        for project in api.http.get("projects/").json():
            api.delete(project["name"])


def sign_in(page: Page) -> None:
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


Opened = Callable[[Application], str]


@pytest.fixture
def opened(site: Stack, ada: Api, page: Page, git_server: GitServer) -> Opened:
    """``opened(application)`` builds and starts it, signs in from its own address, and returns
    the notebook's origin.
    """

    def open_application(application: Application) -> str:
        command, path = application.documented
        repository = git_server.repository(
            "ada/" + re.sub("[^a-z]", "", application.name.lower()),
            {**application.repository, ".resources": "memr=1\nmeml=4\n"},
        )
        name = ada.launch(repository)
        url: str = ada.until(name, "ready", within=500)["url"]
        if command:
            kernel = Kernel(ada, name, domain=site.environment["PORTAL_GATEWAY_DOMAIN"])
            port = int("".join(each for each in path.split("/") if each.isdigit()))
            with kernel:
                said = kernel.run(STARTED.format(command=command, port=port), within=180)
            assert said == "listens\n", said
        page.goto(url.rstrip("/") + path)
        sign_in(page)
        page.wait_for_url(f"{url.rstrip('/')}{path}**")
        return url.rstrip("/")

    return open_application
