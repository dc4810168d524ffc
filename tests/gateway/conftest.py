"""Fixtures: the whole ASGI application served by a real web server, and notebooks behind its
gateway.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging import ERROR
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from django.conf import settings as current
from django.test import Client
from websockets.sync.client import ClientConnection, connect

from keys.models import digest
from portal.asgi import Application
from portal.models import User
from portal.server.connection import Http
from sessions.gateway import tickets
from sessions.gateway.hosts import cookie_name, entrant_cookie_name
from sessions.models import Project, Session
from sessions.states import SessionState
from tests.gateway.notebook import Notebook

PAGE = {"Accept": "text/html,*/*", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="session")
def notebook(tmp_path_factory) -> Iterator[Notebook]:
    with Notebook(tmp_path_factory.mktemp("notebook") / "socket") as running:
        yield running


class PromptServer(uvicorn.Server):
    """A server that stops at once if no request is running. Uvicorn's own checks every tenth of a
    second whether it should stop, and waits as long again for connections that are open.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_there = threading.Event()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._is_to_stop.set)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._is_to_stop = asyncio.get_running_loop(), asyncio.Event()
        self.is_there.set()
        await super().serve(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._is_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self.lifespan.shutdown()


@pytest.fixture
def port(transactional_db, settings, caplog) -> Iterator[int]:
    """The port where the application is served; fails if its log reports a server error."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        number: int = door.getsockname()[1]
        settings.PORTAL_GATEWAY_DOMAIN = f"localhost:{number}"
        settings.PORTAL_URL = f"http://localhost:{number}"
        config = uvicorn.Config(
            Application(), lifespan="on", log_level="error", timeout_graceful_shutdown=1, http=Http
        )
        server = PromptServer(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([door])))
        thread.start()
        assert server.is_there.wait(20)
        yield number
        server.stop()
        thread.join(20)
        assert not thread.is_alive()
    log = [
        each for each in caplog.get_records("call") if not each.name.startswith("django.security")
    ]
    faults = [each.getMessage() for each in log if each.levelno >= ERROR]
    assert set(faults) <= {"ASGI callable returned without completing response."}


def make_project(owner: User, name: str, address: str = "", **fields: Any) -> Project:
    """Make a project; with an address, one whose notebook is ready there."""
    project = Project.objects.create(owner=owner, name=name, provider="git", url="u", **fields)
    if address:
        session = Session.objects.create(
            project=project, cpu_request=1, cpu_limit=1, memory_request_gb=1, memory_limit_gb=1
        )
        for state in (SessionState.SPAWNING, SessionState.READY):
            assert Session.objects.advance(session.pk, state, by="test", address=address)
        Project.objects.filter(pk=project.pk).update(current=session)
        project.refresh_from_db()
    return project


@pytest.fixture
def project(port, ada, notebook) -> Project:
    return make_project(ada, "ada-flowers-aaaaaaaa", notebook.address)


@dataclass
class Browser:
    """One browser at one notebook's host. Requests come from the host's own pages unless a test
    says otherwise.
    """

    port: int
    project: str
    cookie: str = ""
    entrant: str = ""
    portal: Client = field(default_factory=Client)

    @property
    def host(self) -> str:
        return f"{self.project}.localhost:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    def headers(self, more: dict[str, str | None]) -> dict[str, str]:
        held = {entrant_cookie_name(): self.entrant, cookie_name(): self.cookie}
        ours = [f"{name}={secret}" for name, secret in held.items() if secret]
        cookies = "; ".join(["_xsrf=2", *ours, "a=b"]) if ours else None
        fields = {"Host": self.host, "Origin": self.origin, "Cookie": cookies} | more
        return {name: value for name, value in fields.items() if value is not None}

    def ask(
        self, path: str, method: str = "GET", content: Any = None, **more: Any
    ) -> httpx.Response:
        """Send a request; ``more`` are headers, None for one that is not sent."""
        with self.stream(path, method, content, **more) as answer:
            answer.read()
            return answer

    @contextmanager
    def stream(
        self, path: str, method: str = "GET", content: Any = None, **more: Any
    ) -> Iterator[httpx.Response]:
        headers = self.headers({name.replace("_", "-"): value for name, value in more.items()})
        url = f"http://127.0.0.1:{self.port}{path}"
        with (
            httpx.Client(verify=False, trust_env=False, timeout=20) as client,
            client.stream(method, url, headers=headers, content=content) as answer,
        ):
            yield answer

    def open_page(self, path: str = "/lab", **more: Any) -> httpx.Response:
        fields = {name.replace("-", "_"): value for name, value in PAGE.items()}
        return self.ask(path, **{"Origin": None, **fields, **more})

    def enter(self, address: str) -> httpx.Response:
        """Follow a ticket's address, keeping the cookies as browsers do."""
        parts = urlsplit(address)
        answer = self.open_page(f"{parts.path}?{parts.query}", Host=parts.netloc)
        self.cookie = answer.cookies.get(cookie_name()) or self.cookie
        self.entrant = answer.cookies.get(entrant_cookie_name()) or self.entrant
        return answer

    def socket(self, path: str = "/socket", **more: Any) -> ClientConnection:
        headers = self.headers(more.pop("headers", {}))
        headers.pop("Host")
        return connect(
            f"ws://{self.host}{path}",
            sock=socket.create_connection(("127.0.0.1", self.port)),
            additional_headers=headers,
            max_size=None,
            **more,
        )


def browser_of(user: User, project: Project) -> Browser:
    """Return a browser in which this person is signed in, at a notebook's host but without entry to
    it.
    """
    port = int(urlsplit(current.PORTAL_URL).port or 0)
    browser = Browser(port, project.name, entrant=secrets.token_urlsafe(32))
    browser.portal.force_login(user)
    return browser


def ticket_for(browser: Browser, user: User, project: Project, path: str = "") -> str:
    key, entrant = str(browser.portal.session.session_key), digest(browser.entrant)
    return tickets.issue_ticket(user, project, key, entrant, path)


@pytest.fixture
def browser(ada, project) -> Browser:
    """Ada's browser, with her notebook open."""
    browser = browser_of(ada, project)
    assert browser.enter(ticket_for(browser, ada, project)).status_code == 302
    assert browser.cookie
    return browser
