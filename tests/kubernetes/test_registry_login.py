"""Signing in to a registry: which credentials apply, and what it may ask for."""

from __future__ import annotations

import base64
import json

import pytest

from sessions.backends.kubernetes.registry import parse_token, registry_login, token_url
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
def test_credentials_are_looked_up_the_way_docker_does(auths, found):
    assert registry_login(json.dumps({"auths": auths}), "reg.example:5000") == found


@pytest.mark.parametrize(
    "text", ["secret", "[]", '{"auths": 1}', '{"auths": {"r": "secret"}}',
             '{"auths": {"r": {"auth": "secret!"}}}', '{"auths": {"r": {"auth": "c2VjcmV0"}}}'],
)  # fmt: skip
def test_a_malformed_config_raises_without_showing_its_text(text):
    with pytest.raises(ValueError, match=r"config\.json|base64") as raised:
        registry_login(text, "r")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('Basic realm="x"', ""),
        ('bearer Realm="https://r/t", service="s"', "https://r/t?service=s&scope=own"),
        ('Basic realm="x", Bearer realm="https://r/t",scope="a:b:c,d"',
         "https://r/t?scope=a%3Ab%3Ac%2Cd"),
        ('Bearer realm="https://r/t", Basic realm="x"', "https://r/t?scope=own"),
        ('Bearer realm="https://r/t?a=b",service="s",scope=""', "https://r/t?a=b&service=s"),
        ('Bearer realm=""', ""),
        ("Negotiate", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_challenge_yields_the_token_url(header, wanted):
    assert token_url(header, "own") == wanted


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\nb: c"}'])
def test_a_malformed_token_response_yields_no_token(body):
    assert parse_token(body) == ""
