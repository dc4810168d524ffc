"""Forged id tokens let nobody in: each known way to forge one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from django.test import Client

from portal.models import SignIn, User
from tests.oidc.conftest import Arrive
from tests.oidc.hostile import A_TOKEN, SECRET, Claims, Hostile, key

HOUR = 3600
Forge = Callable[[Hostile, Claims], object]


def part(value: object) -> str:
    plain = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


def by_secret(claims: Claims, secret: bytes) -> str:
    """Sign with a shared secret, by hand: libraries refuse to do so with a public key."""
    text = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{part(claims)}"
    return f"{text}.{part(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def by_another(claims: Claims, **header: Any) -> str:
    """Sign as the provider would, but with a key that it does not have."""
    return jwt.encode(claims, key("another"), "RS256", {"kid": "first", **header})


def public_text(of: Hostile) -> bytes:
    return of.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def with_own_key(of: Hostile, claims: Claims) -> str:
    """Sign with another key, which the token's header brings along."""
    own = jwt.algorithms.RSAAlgorithm.to_jwk(key("another").public_key(), as_dict=True)
    header = {"jwk": own, "jku": f"{of.issuer}/other"}
    return by_another(claims, **header)


def changed(**changes: Any) -> Forge:
    """Return a forge that changes claims and signs with the right key; None removes a claim."""

    def forge(of: Hostile, claims: Claims) -> str:
        both = {**claims, **changes}
        return of.sign({name: value for name, value in both.items() if value is not None})

    return forge


def altered(of: Hostile, claims: Claims) -> str:
    """Return a token with the signature of another one."""
    header, _, signature = of.sign(claims).split(".")
    return f"{header}.{part({**claims, 'sub': '2'})}.{signature}"


def shifted(name: str, seconds: int) -> Forge:
    """Return a forge that sets a time claim to this many seconds from now."""
    return lambda of, claims: of.sign({**claims, name: int(time.time()) + seconds})


FORGED: dict[str, Forge] = {
    "another key": lambda _, claims: by_another(claims),
    "an unknown key": lambda _, claims: by_another(claims, kid="other"),
    "a key of its own": with_own_key,
    "HS256 by the public key": lambda of, claims: by_secret(claims, public_text(of)),
    "HS256 by the key set": lambda of, claims: by_secret(claims, json.dumps(of.public()).encode()),
    "HS256 by the client's secret": lambda _, claims: by_secret(claims, SECRET.encode()),
    "HS256 by nothing": lambda _, claims: by_secret(claims, b""),
    "none": lambda _, claims: f"{part({'alg': 'none'})}.{part(claims)}.",
    "None, spelled": lambda _, claims: f"{part({'alg': 'nOnE', 'kid': 'first'})}.{part(claims)}.",
    "PS256": lambda of, claims: jwt.encode(claims, of.key, "PS256", {"kid": "first"}),
    "no signature": lambda of, claims: of.sign(claims).rpartition(".")[0] + ".",
    "two parts": lambda of, claims: of.sign(claims).rpartition(".")[0],
    "altered": altered,
    "a strange critical header": lambda of, claims: of.sign(claims, crit=["b64"], b64=False),
    "expired": shifted("exp", -HOUR),
    "without end": changed(exp=None),
    "of the far future": shifted("iat", HOUR),
    "without a time": changed(iat=None),
    "not yet good": shifted("nbf", HOUR),
    "for somebody else": changed(aud="another"),
    "for nobody": changed(aud=None),
    "for several": changed(aud=["portal", "another"]),
    "for several, to another": changed(aud=["portal", "another"], azp="another"),
    "to another party": changed(azp="another"),
    "of another issuer": changed(iss="https://idp.example.org"),
    "of a longer issuer": lambda of, claims: of.sign({**claims, "iss": f"{of.issuer}/"}),
    "of no issuer": changed(iss=None),
    "with another's nonce": changed(nonce="another"),
    "without a nonce": changed(nonce=None),
    "with an empty nonce": changed(nonce=""),
    "with a nonce that is none": changed(nonce=["a"]),
    "of nobody": changed(sub=None),
    "of an empty subject": changed(sub=""),
    "of a number": changed(sub=1),
    "of a long subject": changed(sub="1" * 256),
    "missing": lambda *_: None,
    "no text": lambda *_: {"a": 1},
    "no token": lambda *_: "nonsense",
    "no JSON": lambda *_: f"{part(b'a')}.{part(b'b')}.{part(b'c')}",
    "a list": lambda *_: f"{part([1])}.{part([2])}.{part([3])}",
    "endless": lambda of, claims: of.sign({**claims, "more": "a" * 200_000}),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_forged_token_is_refused(forge, hostile: Hostile, arrive: Arrive, caplog):
    hostile.forge = lambda claims: forge(hostile, claims)
    client = Client()
    with caplog.at_level(logging.DEBUG):
        answer = arrive(client)
    page = answer.content.decode()
    assert 400 <= answer.status_code < 500
    assert "oidc.token" in page
    assert '/sign-in/"' in page
    assert not User.objects.exists()
    assert not SignIn.objects.exists()
    assert client.get("/account/").status_code == 302
    assert not A_TOKEN.search(caplog.text + page)


def test_genuine_token_signs_the_person_in(hostile: Hostile, arrive: Arrive):
    client = Client()
    assert arrive(client).headers["Location"] == "/"
    assert client.get("/account/").status_code == 200
    ada = User.objects.get()
    assert (ada.username, ada.issuer, ada.subject) == ("ada", hostile.issuer, "1")


def test_token_signed_with_a_key_that_is_not_published_is_refused(hostile: Hostile, arrive: Arrive):
    arrive(Client())
    hostile.forge = by_another
    assert arrive(Client()).status_code == 400


def test_new_key_of_the_provider_is_accepted_at_once(hostile: Hostile, arrive: Arrive):
    arrive(Client())
    hostile.key = key("another")
    assert arrive(Client()).headers["Location"] == "/"


def test_userinfo_of_another_subject_is_ignored(hostile: Hostile, arrive: Arrive):
    told = {"sub": "2", "preferred_username": "root", "email": "root@example.org"}
    hostile.answers["/me"] = (200, json.dumps(told).encode())
    answer = arrive(Client())
    assert answer.status_code != 500
    assert not User.objects.filter(username="root").exists()
    assert not User.objects.filter(subject="2").exists()
