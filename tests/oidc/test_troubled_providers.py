"""A provider that refuses, is away or sends nonsense: a page in words and a way on, never more."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any

import pytest
from django.test import Client

from portal.models import User
from tests.oidc.conftest import Arrive, come_back, leave
from tests.oidc.hostile import A_TOKEN, Hostile

NONSENSE = {
    "nothing": b"",
    "no JSON": b"<html>Bad gateway</html>",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "strange bytes": b"\xff\xfe\x00",
}


def in_words(answer, code: str) -> bool:
    page = answer.content.decode()
    assert code in page, page
    return 400 <= answer.status_code < 600 and answer.status_code != 500 and "href=" in page


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks"])
@pytest.mark.parametrize("status", [500, 503, 404, 302])
def test_failing_provider_is_explained_on_the_page(path, status, hostile: Hostile, arrive: Arrive):
    hostile.answers[path] = (status, b"oh no")
    client = Client()
    if "well-known" in path:
        assert in_words(client.get("/oidc/evil/sign-in/"), "oidc.away")
    else:
        assert in_words(arrive(client), "oidc.")
    assert not User.objects.exists()


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks", "/me"])
@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
def test_malformed_answer_of_a_provider_is_explained_on_the_page(
    path, body, hostile: Hostile, arrive: Arrive
):
    hostile.answers[path] = (200, body)
    client = Client()
    answer: Any = client.get("/oidc/evil/sign-in/")
    if answer.status_code == 302:
        code, state = hostile.agree(answer.headers["Location"])
        answer = come_back(client, code=code, state=state)
    assert in_words(answer, "oidc.")
    assert not User.objects.exists()


def test_unreachable_provider_is_explained_on_the_page(hostile: Hostile, settings):
    with socket.socket() as deaf:  # its port is taken, and nobody listens
        deaf.bind(("127.0.0.1", 0))
        hostile.issuer = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        settings.OIDC_PROVIDERS = {"evil": hostile.entry("evil", endpoints={})}
        assert in_words(Client().get("/oidc/evil/sign-in/"), "oidc.away")


def test_metadata_of_another_issuer_is_refused(hostile: Hostile):
    told = {**hostile._description(), "issuer": "https://idp.example.org"}
    hostile.answers["/.well-known/openid-configuration"] = (200, json.dumps(told).encode())
    assert in_words(Client().get("/oidc/evil/sign-in/"), "oidc.away")


@pytest.mark.parametrize("error", ["access_denied", "server_error", "<script>alert(1)</script>"])
def test_error_from_the_provider_is_explained_and_escaped(error, hostile: Hostile):
    client = Client()
    _, state = hostile.agree(leave(client))
    answer = come_back(client, error=error, error_description="<b>bold</b>", state=state)
    assert in_words(answer, "oidc.declined" if error == "access_denied" else "oidc.error")
    assert b"<script>alert" not in answer.content
    assert b"<b>bold" not in answer.content
    assert client.get("/account/").status_code == 302


def test_unknown_provider_answers_404(hostile: Hostile):
    for path in ("sign-in", "callback"):
        assert Client().get(f"/oidc/other/{path}/").status_code == 404


def test_codes_and_tokens_never_reach_the_log(hostile: Hostile, arrive: Arrive, caplog):
    with caplog.at_level(logging.DEBUG):
        client = Client()
        code, state = hostile.agree(leave(client))
        come_back(client, code=code, state=state)
        come_back(client, code=code, state=state)
        arrive(Client())
        hostile.answers["/token"] = (400, b'{"error": "invalid_grant"}')
        arrive(Client())
    assert code not in caplog.text
    assert state not in caplog.text
    assert not A_TOKEN.search(caplog.text)
