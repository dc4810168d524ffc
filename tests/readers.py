"""Read a WebSocket of the application, without a server in between."""

from __future__ import annotations

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from portal.models import User
from sessions.progress.consumers import routes

PATIENCE = 30
Header = tuple[bytes, bytes]

_application = AuthMiddlewareStack(URLRouter(routes))


class Reader(WebsocketCommunicator):
    """A reader that waits longer than the library's one second, because the machine may be busy."""

    async def receive_output(self, timeout: float = PATIENCE) -> dict[str, Any]:  # noqa: ASYNC109  (the library's)
        return await super().receive_output(max(timeout, PATIENCE))

    async def wait(self, timeout: float = PATIENCE) -> None:  # noqa: ASYNC109  (the library's)
        await super().wait(max(timeout, PATIENCE))


def reading(path: str, *headers: Header) -> Reader:
    """Return a reader of one of the portal's own sockets."""
    return Reader(_application, path, headers=list(headers))


def cookie_in(browser: Client) -> Header:
    """Return the session cookie of this browser as a header."""
    name = settings.SESSION_COOKIE_NAME
    return b"cookie", f"{name}={browser.cookies[name].value}".encode()


def cookie_of(user: User) -> Header:
    """Return the session cookie of a new browser of this person's as a header."""
    browser = Client()
    browser.force_login(user)
    return cookie_in(browser)
