"""Behind a web server, whose attempt it is says that server, and nobody else."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from axes.models import AccessAttempt
from django.conf import settings
from django.db import connections

from portal.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)


async def fail_to_sign_in(peer: str, forwarded: str) -> None:
    portal: Any = application
    transport = httpx.ASGITransport(app=portal, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url=settings.PORTAL_URL) as client:
        page = await client.get("/sign-in/")
        (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text))
        form = {"username": "ada", "password": "wrong", "csrfmiddlewaretoken": token}
        headers = {"X-Forwarded-For": forwarded}
        answer = await client.post("/sign-in/", data=form, headers=headers)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.1, 198.51.100.7", "198.51.100.7"),  # the first one is made up
        ("127.0.0.1", "198.51.100.7, 127.0.0.1", "198.51.100.7"),
        ("127.0.0.1", "nonsense", None),
        ("192.0.2.5", "198.51.100.7", "192.0.2.5"),  # no server of ours
    ],
)
async def test_who_is_counted(peer, forwarded, counted):
    async with ThreadSensitiveContext():  # one thread for all requests, and its connection
        await fail_to_sign_in(peer, forwarded)
        await sync_to_async(connections.close_all)()
    attempt = await AccessAttempt.objects.aget()
    assert attempt.ip_address == counted
