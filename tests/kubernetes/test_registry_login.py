"""Signing in to a registry: which credentials apply, and what it may ask for."""

from __future__ import annotations

import base64
import json

import pytest

from sessions.backends.kubernetes.registry_http import (
    Challenge,
    parse_challenge,
    parse_token,
    registry_login,
)
from tests.kubernetes.registryserver import PERSON

ENCODED = base64.b64encode(PERSON.encode()).decode()


@pytest.mark.parametrize(
    ("auths", "found"),
    [
        ({"reg.example:5000": {"auth": ENCODED}}, ENCODED),
        ({"https://reg.example:5000/v2/": {"auth": ENCODED}}, ENCODED),
        ({"reg.example:5000": {"username": "bindery", "password": "bindery"}}, ENCODED),
        ({"https://reg.example:5000": {"auth": "eDp5"}, "reg.example:5000": {"auth": ENCODED}},
         ENCODED),
        ({"reg.example": {"auth": ENCODED}}, ""),
        ({"reg.example:5000": {}}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_credentials_are_looked_up_as_docker_does(auths, found):
    assert registry_login(json.dumps({"auths": auths}), "reg.example:5000") == found


@pytest.mark.parametrize(
    "text", ["secret", "[]", '{"auths": 1}', '{"auths": {"r": "secret"}}',
             '{"auths": {"r": {"auth": "secret!"}}}', '{"auths": {"r": {"auth": "c2VjcmV0"}}}'],
)  # fmt: skip
def test_a_text_that_is_no_config_is_said_to_be_none_and_not_shown(text):
    with pytest.raises(ValueError, match=r"config\.json|base64") as raised:
        registry_login(text, "r")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('Basic realm="x"', Challenge()),
        ('bearer Realm="https://r/t", service="s"', Challenge("https://r/t", "s", "own")),
        ('Basic realm="x", Bearer realm="https://r/t",scope="a:b:c,d"',
         Challenge("https://r/t", "", "a:b:c,d")),
        ('Negotiate', None),
        ("", None),
    ],
)  # fmt: skip
def test_a_challenge_is_understood(header, wanted):
    assert parse_challenge(header, "own") == wanted


def test_a_realm_with_a_query_of_its_own_keeps_it():
    assert Challenge("https://r/t?a=b", "s", "").token_url() == "https://r/t?a=b&service=s"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\nb: c"}'])
def test_what_is_no_token_is_none(body):
    assert parse_token(body) == ""
