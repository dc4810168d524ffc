"""Ask the whole application, as a web server does, with everything that is around Django."""

from __future__ import annotations

from typing import Any

import httpx
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.db import connections
from django.test import Client

from portal.asgi import application
from portal.models import User


async def ask(
    path: str, user: User | None = None, method: str = "GET", **headers: str
) -> httpx.Response:
    """Return the answer to this person; write ``_`` for the hyphen in the names of ``headers``."""
    cookies = await sync_to_async(_cookies)(user) if user else {}
    portal: Any = application
    transport = httpx.ASGITransport(app=portal, raise_app_exceptions=False)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        ThreadSensitiveContext(),  # one thread for the request, and its connection
        httpx.AsyncClient(
            transport=transport, base_url=settings.PORTAL_URL, cookies=cookies
        ) as client,
    ):
        answer = await client.request(method, path, headers=fields)
        # Pages of errors are made in a thread of the loop's.
        for in_thread_of_context in (True, False):
            close = sync_to_async(connections.close_all, thread_sensitive=in_thread_of_context)
            await close()
    return answer


def _cookies(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}
