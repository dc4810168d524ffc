"""Client addresses behind a web server: that server alone says whose attempt it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import httpx
import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from axes.models import AccessAttempt
from django.conf import settings
from django.db import connections

from portal.asgi import Application, behind_proxies
from tests.stack import PROJECT

pytestmark = pytest.mark.django_db(transaction=True)


async def fail_to_sign_in(peer: str, forwarded: str) -> None:
    portal: Any = behind_proxies(Application())
    transport = httpx.ASGITransport(app=portal, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url=settings.PORTAL_URL) as client:
        page = await client.get("/sign-in/")
        (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text))
        form = {"username": "ada", "password": "wrong", "csrfmiddlewaretoken": token}
        headers = {"X-Forwarded-For": forwarded}
        answer = await client.post("/sign-in/", data=form, headers=headers)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "counted"),
    [
        ("127.0.0.1", "127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.1", "203.0.113.1, 198.51.100.7", "198.51.100.7"),  # one made up
        ("127.0.0.1", "127.0.0.1", "198.51.100.7, 127.0.0.1", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.1", "nonsense", None),
        ("127.0.0.1", "192.0.2.5", "198.51.100.7", "192.0.2.5"),  # no server of ours
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.0/8", "127.0.0.1", "198.51.100.7", "127.0.0.1"),
        ("", "127.0.0.1", "198.51.100.7", "127.0.0.1"),  # this machine is nobody's proxy
        ("", "::1", "198.51.100.7", "::"),
    ],
)
async def test_failed_sign_in_is_counted_for_the_address_of_the_client(
    settings, trusted, peer, forwarded, counted
):
    settings.PORTAL_TRUSTED_PROXIES = trusted.split()
    async with ThreadSensitiveContext():  # one thread for all requests, and its connection
        await fail_to_sign_in(peer, forwarded)
        await sync_to_async(connections.close_all)()
    attempt = await AccessAttempt.objects.aget()
    assert attempt.ip_address == counted


def test_no_proxy_is_trusted_by_default():
    """Not even this machine: whatever runs on it could choose whose attempts its own are."""
    script = "from portal.settings import PORTAL_TRUSTED_PROXIES as them; print(them)"
    bare = {name: value for name, value in os.environ.items() if name != "PORTAL_TRUSTED_PROXIES"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env=bare, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "deploy/kubernetes/portal.yaml",
        "deploy/portal/Dockerfile",
        "portal/management/commands/up.py",
    ],
)
def test_uvicorn_is_started_without_proxy_headers(path):
    """Uvicorn does unless it is told otherwise."""
    assert "--no-proxy-headers" in (PROJECT / path).read_text()
