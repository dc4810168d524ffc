"""A provider that signs somebody out ends their sign-ins here, and nobody else can."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from keys.models import Token
from portal.accounts.oidc.idtoken import LOGOUT_EVENT
from portal.models import SignIn, User
from sessions.models import Access
from sessions.states import ProjectState
from tests.oidc.conftest import Arrive
from tests.oidc.hostile import CLIENT, Claims, Hostile, by_secret, key, public_text
from tests.stages import project_in

BACK, FRONT = "/oidc/evil/back-channel-logout/", "/oidc/evil/front-channel-logout/"


def logout_claims(of: Hostile, **changes: Any) -> Claims:
    """Return an honest provider's claims with changes; None removes one."""
    now = int(time.time())
    said = {"iss": of.issuer, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": "a",
            "sub": "1", "sid": "s1", "events": {LOGOUT_EVENT: {}}, **changes}  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def log_out(of: Hostile, **changes: Any) -> Any:
    token = of.sign(logout_claims(of, **changes), typ="logout+jwt")
    return Client(enforce_csrf_checks=True).post(BACK, {"logout_token": token})


@pytest.fixture
def enter(hostile: Hostile, arrive: Arrive) -> Callable[..., Client]:
    """``enter(sid)`` signs a fresh browser in; ``sid`` is the provider's session."""

    def fresh(sid: str | None = "s1", **person: str) -> Client:
        client = Client()
        hostile.person = {"sub": "1", "preferred_username": "ada", **person}
        hostile.forge = lambda claims: hostile.sign({**claims, **({"sid": sid} if sid else {})})
        assert arrive(client).status_code == 302
        return client

    return fresh


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_named_session_ends_with_its_notebooks_and_others_stay(hostile: Hostile, enter, backend):
    first, second = enter("s1"), enter("s2")
    ada = User.objects.get()
    project = project_in(ProjectState.READY, ada)
    for client in (first, second):
        client.get(f"/projects/{project.name}/open/", {"entrant": "0" * 64})
    secret = Token.objects.issue(ada, "laptop", ["read"], None)[1]
    assert Access.objects.count() == 2
    answer = log_out(hostile)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "no-store" in answer.headers["Cache-Control"]
    assert not is_in(first) and is_in(second)
    assert Access.objects.get().browser == second.session.session_key
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    assert program.get("/api/v1/me/").status_code == 200
    assert log_out(hostile).status_code == 200  # repeated


def test_person_without_a_session_is_signed_out_everywhere(hostile: Hostile, enter):
    first, second = enter("s1"), enter(None)
    bob = enter("s3", sub="2", preferred_username="bob")
    assert log_out(hostile, sid=None).status_code == 200
    assert not is_in(first) and not is_in(second)
    assert is_in(bob)


def test_sign_in_whose_session_is_unknown_ends_with_the_person(hostile: Hostile, enter):
    unknown, other = enter(None), enter("s2")
    assert log_out(hostile).status_code == 200
    assert not is_in(unknown)
    assert is_in(other)


def test_session_alone_is_enough(hostile: Hostile, enter):
    client = enter("s1")
    assert log_out(hostile, sub=None, exp=None, jti=None).status_code == 200
    assert not is_in(client)


def test_old_logout_token_does_not_end_later_sign_ins(hostile: Hostile, enter):
    client = enter("s1")
    SignIn.objects.update(created=timezone.now() + timedelta(minutes=6))
    log_out(hostile, sid=None)
    assert is_in(client)


FORGED: dict[str, Callable[[Hostile], object]] = {
    "nothing": lambda _: "",
    "no token": lambda _: "nonsense",
    "deep": lambda _: "[" * 100_000,
    "long": lambda of: of.sign(logout_claims(of, more="a" * 300_000)),
    "another key": lambda of: jwt.encode(
        logout_claims(of), key("another"), "RS256", {"kid": "first"}
    ),
    "HS256": lambda of: jwt.encode(logout_claims(of), "s" * 64, "HS256", {"kid": "first"}),
    "none": lambda of: jwt.encode(logout_claims(of), "", "none"),
    "an id token": lambda of: of.sign(of.claims("n")),
    "with a nonce": lambda of: of.sign(logout_claims(of, nonce="n")),
    "without the event": lambda of: of.sign(logout_claims(of, events={})),
    "another event": lambda of: of.sign(logout_claims(of, events={"urn:other": {}})),
    "an event that is none": lambda of: of.sign(logout_claims(of, events={LOGOUT_EVENT: 1})),
    "events in a list": lambda of: of.sign(logout_claims(of, events=[LOGOUT_EVENT])),
    "for somebody else": lambda of: of.sign(logout_claims(of, aud="another")),
    "of another issuer": lambda of: of.sign(logout_claims(of, iss="https://idp.example.org")),
    "expired": lambda of: of.sign(logout_claims(of, exp=int(time.time()) - 3600)),
    "old": lambda of: of.sign(logout_claims(of, iat=int(time.time()) - 3600, exp=None)),
    "of the future": lambda of: of.sign(logout_claims(of, iat=int(time.time()) + 3600)),
    "without a time": lambda of: of.sign(logout_claims(of, iat=None)),
    "an endless time": lambda of: of.sign(logout_claims(of, iat=float("inf"))),
    "of nobody": lambda of: of.sign(logout_claims(of, sub=None, sid=None)),
    "a number": lambda of: of.sign(logout_claims(of, sid=1)),
    "no text": lambda of: of.sign(logout_claims(of, sub="\ud800")),
    "no text in the session": lambda of: of.sign(logout_claims(of, sid="s\ud800")),
    "NUL": lambda of: of.sign(logout_claims(of, sub="1\0", sid=None)),
    "HS256 by the public key": lambda of: by_secret(logout_claims(of), public_text(of)),
    "two": lambda of: [of.sign(logout_claims(of))] * 2,
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_forged_logout_token_signs_nobody_out(forge, hostile: Hostile, enter):
    client = enter("s1")
    answer = Client().post(BACK, {"logout_token": forge(hostile)})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert "no-store" in answer.headers["Cache-Control"]
    assert is_in(client)


FORM = "application/x-www-form-urlencoded"
BODIES: dict[str, tuple[str, str]] = {
    "JSON": ("application/json", '{"logout_token": "%s"}'),
    "the token alone": ("application/jwt", "%s"),
    "a form of no kind": ("", "logout_token=%s"),
    "two tokens": (FORM, "logout_token=%s&logout_token=%s"),
    "no token in an unknown encoding": (f"{FORM}; charset=klingon", "logout_token=%"),
    "parts without a border": ("multipart/form-data", "logout_token=%s"),
    "parts that are none": ("multipart/form-data; boundary=a", "logout_token=%s"),
    "a file": (
        "multipart/form-data; boundary=a",
        '--a\nContent-Disposition: form-data; name="logout_token"; filename="a"\n\n%s\n--a--\n',
    ),
    "a large one": (FORM, "logout_token=%s&more=" + "a" * 4_000_000),
    "too many fields": (FORM, "logout_token=%s" + "&a=1" * 2000),
    "no bytes of text": (FORM, "logout_token=%%ff%%fe%s"),
}


@pytest.mark.parametrize(("kind", "body"), BODIES.values(), ids=BODIES)
def test_odd_body_is_answered_as_the_protocol_says(hostile: Hostile, enter, kind, body):
    client = enter("s1")
    token = hostile.sign(logout_claims(hostile))
    sent = body.replace("%s", token).replace("%%", "%").replace("\n", "\r\n").encode()
    answer = Client(raise_request_exception=False).generic("POST", BACK, sent, content_type=kind)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "no-store" in answer.headers["Cache-Control"]
    assert is_in(client)


def test_token_in_the_address_counts_for_nothing(hostile: Hostile, enter):
    client = enter("s1")
    token = hostile.sign(logout_claims(hostile))
    for ask in (Client().get, Client().post, Client().put):
        answer = ask(f"{BACK}?logout_token={token}")
        assert answer.status_code in {400, 405}
        assert "no-store" in answer.headers["Cache-Control"]
    assert is_in(client)


def test_logout_tokens_do_not_make_the_portal_ask_for_keys_each_time(hostile: Hostile, enter):
    enter("s1")
    hostile.asked.clear()
    for _time in range(20):
        log_out(hostile, sid="other")
    assert hostile.asked.count("/jwks") == 1
    hostile.asked.clear()
    Client().post(BACK, {"logout_token": "nonsense"})
    assert hostile.asked == []


def test_unavailable_provider_is_said_to_whoever_sends_a_token(hostile: Hostile, enter):
    client = enter("s1")
    hostile.answers["/jwks"] = (503, b"")
    assert log_out(hostile).status_code == 503
    assert is_in(client)


def test_logout_address_takes_only_posts_and_known_providers(hostile: Hostile):
    assert Client().get(BACK).status_code == 405
    assert Client().post("/oidc/other/back-channel-logout/").status_code == 404
    assert Client().get("/oidc/other/front-channel-logout/").status_code == 404


def test_front_channel_ends_the_named_session_from_any_browser(hostile: Hostile, enter):
    first, second = enter("s1"), enter("s2")
    frame = Client().get(FRONT, {"iss": hostile.issuer, "sid": "s1"})
    assert frame.status_code == 200
    assert "no-store" in frame.headers["Cache-Control"]
    assert "X-Frame-Options" not in frame.headers
    assert "frame-ancestors *" in frame.headers["Content-Security-Policy"]
    assert not is_in(first) and is_in(second)


def test_front_channel_needs_the_session(hostile: Hostile, enter):
    client = enter("s1")
    for asked in ({}, {"sid": ""}, {"iss": "https://idp.example.org", "sid": "s1"}):
        assert client.get(FRONT, asked).status_code == 400
    assert client.get(FRONT, {"sid": "unknown"}).status_code == 200
    assert is_in(client)
