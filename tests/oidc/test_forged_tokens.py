"""Forged id tokens let nobody in: each known way to forge one."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.test import Client

from portal.models import SignIn, User
from tests.oidc.conftest import Arrive
from tests.oidc.hostile import A_TOKEN, SECRET, Claims, Hostile, by_secret, key, part, public_text

HOUR = 3600
Forge = Callable[[Hostile, Claims], object]


def by_another(claims: Claims, **header: Any) -> str:
    """Sign as the provider would, but with a key that it does not have."""
    return jwt.encode(claims, key("another"), "RS256", {"kid": "first", **header})


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
    "of a subject that is no text": changed(sub="\ud800"),
    "of a subject with NUL": changed(sub="1\0"),
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


Publish = Callable[[Claims, Claims], list[object]]
OF_ANOTHER_KIND = {"kid": "first", "kty": "QKD", "x": 1}
KEY_SETS: dict[str, Publish] = {
    "two of one name": lambda own, other: [other, own],
    "two of one name, ours first": lambda own, other: [own, other],
    "alg null": lambda own, _: [{**own, "alg": None, "use": None}],
    "no alg": lambda own, _: [{"kty": own["kty"], "n": own["n"], "e": own["e"], "kid": "first"}],
    "unknown kinds": lambda own, _: [OF_ANOTHER_KIND, 1, None, [], {}, {"kty": None}, own],
    "damaged ones of its name": lambda own, _: [{**own, "n": 1}, {**own, "e": ""}, own],
    "one without a modulus": lambda own, _: [{"kty": "RSA", "kid": "first"}, own],
    "one for encryption": lambda own, other: [{**other, "use": "enc"}, own],
    "one for another algorithm": lambda own, other: [{**other, "alg": "RS512"}, own],
    "no name": lambda own, _: [{**own, "kid": None}],
    "no names, among several": lambda own, other: [{**other, "kid": None}, {**own, "kid": None}],
}


def publish(of: Hostile, keys: list[object]) -> None:
    of.answers["/jwks"] = (200, json.dumps({"keys": keys}).encode())


def other_public(of: Hostile) -> Claims:
    return {**of.public(), "n": of.public(key("another"))["n"]}


@pytest.mark.parametrize("keys", KEY_SETS.values(), ids=KEY_SETS)
def test_key_that_signed_is_found_in_an_odd_key_set(keys: Publish, hostile: Hostile, arrive):
    publish(hostile, keys(hostile.public(), other_public(hostile)))
    assert arrive(Client()).headers["Location"] == "/"
    hostile.forge = lambda claims: jwt.encode(claims, key("third"), "RS256", {"kid": "first"})
    assert arrive(Client()).status_code == 400


@pytest.mark.parametrize(
    "keys",
    [
        lambda own, _: [{**own, "alg": "RS512"}],
        lambda own, _: [{**own, "use": "enc"}],
        lambda own, _: [{**own, "kty": "rsa"}],
        lambda own, _: [{**own, "kid": "second"}],
        lambda _, other: [{**other, "kid": f"{number}"} for number in range(50)],
        lambda own, other: [other] * 8 + [own],  # an endless list is not tried to its end
        lambda own, _: own,
        lambda *_: "nonsense",
        lambda *_: 5,
    ],
)
def test_key_set_without_a_key_for_the_token_lets_nobody_in(keys: Publish, hostile, arrive):
    publish(hostile, keys(hostile.public(), other_public(hostile)))
    assert arrive(Client()).status_code == 400
    assert not User.objects.exists()


def test_token_that_names_no_key_may_be_signed_by_any(hostile: Hostile, arrive: Arrive):
    publish(hostile, [{**other_public(hostile), "kid": "second"}, hostile.public()])
    hostile.forge = lambda claims: jwt.encode(claims, hostile.key, "RS256")
    assert arrive(Client()).headers["Location"] == "/"


def test_userinfo_of_another_subject_is_ignored(hostile: Hostile, arrive: Arrive):
    told = {"sub": "2", "preferred_username": "root", "email": "root@example.org"}
    hostile.answers["/me"] = (200, json.dumps(told).encode())
    answer = arrive(Client())
    assert answer.status_code != 500
    assert not User.objects.filter(username="root").exists()
    assert not User.objects.filter(subject="2").exists()
