"""A provider that accepts and never answers holds a few threads for a moment, and no more."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import connections
from django.test import Client

from portal.accounts.oidc import client
from tests.oidc.hostile import Hostile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.servers]

CROWD = 30


@pytest.fixture
def deaf(hostile: Hostile, settings) -> Iterator[socket.socket]:
    """A server that is the provider, and answers nobody."""
    settings.OIDC_TIMEOUT = 1
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        hostile.issuer = f"http://127.0.0.1:{server.getsockname()[1]}"
        settings.OIDC_PROVIDERS = {"evil": hostile.entry("evil")}
        yield server


def sign_in(_number: int) -> int:
    return Client().get("/oidc/evil/sign-in/").status_code


def sign_in_and_close(number: int) -> int:
    """Sign in from a thread, whose connections to the database end with it."""
    try:
        return sign_in(number)
    finally:
        connections.close_all()


def came(server: socket.socket) -> int:
    """Return how many connections have come."""
    count = 0
    server.settimeout(0.1)
    with suppress(TimeoutError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_of_a_crowd_only_a_few_wait_and_all_are_told(deaf: socket.socket):
    with ThreadPoolExecutor(CROWD) as pool:
        assert set(pool.map(sign_in_and_close, range(CROWD))) == {503}
    assert came(deaf) <= client.MAX_WAITING


def test_after_a_call_without_an_answer_nobody_waits(deaf: socket.socket):
    assert {sign_in(number) for number in range(CROWD)} == {503}
    assert came(deaf) == 1


def test_a_provider_that_refuses_connections_is_asked_each_time(hostile: Hostile, settings):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        hostile.issuer = f"http://127.0.0.1:{closed.getsockname()[1]}"
        settings.OIDC_PROVIDERS = {"evil": hostile.entry("evil")}
        assert sign_in(1) == 503
    hostile.issuer = f"http://{hostile._server.address}"
    settings.OIDC_PROVIDERS = {"evil": hostile.entry("evil")}
    assert sign_in(2) == 302
