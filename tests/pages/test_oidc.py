"""The pages on the way in by an identity provider and out again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.test import Client

from portal.accounts.oidc.claims import Policy
from portal.models import SignIn, User
from tests.oidc.hostile import Hostile

pytestmark = pytest.mark.django_db


@pytest.fixture
def campus(db, settings) -> Iterator[Hostile]:
    with Hostile() as provider:
        settings.OIDC_PROVIDERS = {"campus": replace(provider.entry("campus"), name="Campus")}
        settings.PORTAL_PASSWORD_SIGN_IN = False
        yield provider


def enter(campus: Hostile, client: Client | None = None) -> Client:
    client = client or Client()
    code, state = campus.agree(client.get("/oidc/campus/sign-in/").headers["Location"])
    client.get("/oidc/campus/callback/", {"code": code, "state": state})
    return client


def text(answer) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", unescape(answer.content.decode())).split())


def test_provider_button_replaces_the_password_form(campus, as_eve):
    page = as_eve.get("/sign-in/?next=/account/").content.decode()
    assert 'href="/oidc/campus/sign-in/?next=%2Faccount%2F"' in page
    assert "Sign in with Campus" in page
    assert 'type="password"' not in page


def test_password_form_is_below_the_provider_button_when_enabled(campus, settings, ada, as_eve):
    settings.PORTAL_PASSWORD_SIGN_IN = True
    page = as_eve.get("/sign-in/").content.decode()
    assert page.index("Sign in with Campus") < page.index('type="password"')
    form = {"username": "ada", "password": "ada's password"}
    assert as_eve.post("/sign-in/", form).headers["Location"] == "/"


def test_password_sign_in_is_refused_when_disabled(campus, root):
    client = Client()
    form = {"username": "root", "password": "root's password"}
    for path in ("/sign-in/", "/admin/login/?next=/admin/"):
        client.post(path, form)
        assert client.get("/account/").status_code == 302
    assert not client.login(**form)
    answer = client.get("/admin/login/?next=/admin/")
    assert answer.headers["Location"] == "/sign-in/?next=/admin/"


def test_sign_in_page_reports_a_wrong_configuration(settings, as_eve):
    settings.PORTAL_PASSWORD_SIGN_IN = False
    assert "manage.py check" in text(as_eve.get("/sign-in/"))


def test_authorization_request_is_bound_to_this_browser(campus, settings):
    campus_entry = settings.OIDC_PROVIDERS["campus"]
    extra = {"access_type": "offline", "state": "fixed", "response_type": "token"}
    settings.OIDC_PROVIDERS = {"campus": replace(campus_entry, extra=extra)}
    address = Client().get("/oidc/campus/sign-in/").headers["Location"]
    asked = {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}
    assert address.startswith(f"{campus.issuer}/auth?")
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{settings.PORTAL_URL}/oidc/campus/callback/"
    assert asked["code_challenge_method"] == "S256"
    assert asked["access_type"] == "offline"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 32
    assert asked["state"] != "fixed"


def test_callback_refuses_a_code_of_another_provider(campus, settings):
    settings.OIDC_PROVIDERS["far"] = replace(settings.OIDC_PROVIDERS["campus"], slug="far")
    client = Client()
    code, state = campus.agree(client.get("/oidc/far/sign-in/").headers["Location"])
    answer = client.get("/oidc/campus/callback/", {"code": code, "state": state})
    assert "oidc.state" in text(answer)


def test_callback_refuses_an_answer_that_names_another_issuer(campus):
    client = Client()
    code, state = campus.agree(client.get("/oidc/campus/sign-in/").headers["Location"])
    brought = {"code": code, "state": state, "iss": "https://evil.example"}
    assert "oidc.state" in text(client.get("/oidc/campus/callback/", brought))
    assert not User.objects.exists()


def test_person_refused_by_policy_sees_their_identity_and_gets_no_account(campus, settings):
    settings.OIDC_POLICY = Policy(allow_mail_domains=frozenset({"example.org"}))
    campus.person["email"] = "ada@elsewhere.example"
    client = Client()
    code, state = campus.agree(client.get("/oidc/campus/sign-in/").headers["Location"])
    answer = client.get("/oidc/campus/callback/", {"code": code, "state": state})
    assert answer.status_code == 403
    assert "ada@elsewhere.example" in text(answer)
    assert "oidc.not-allowed" in text(answer)
    assert not User.objects.exists()
    (way,) = re.findall(r'href="([^"]*another=1)"', answer.content.decode())
    assert "prompt=login" in client.get(urlsplit(way).path + "?another=1").headers["Location"]


def test_account_selection_is_requested_where_the_provider_supports_it(campus):
    told = {**campus._description(), "prompt_values_supported": ["login", "select_account"]}
    campus.answers["/.well-known/openid-configuration"] = (200, json.dumps(told).encode())
    asked = Client().get("/oidc/campus/sign-in/?another=1").headers["Location"]
    assert "prompt=select_account" in asked


def test_signing_out_visits_the_provider_and_returns(campus, settings):
    client = enter(campus)
    page = client.post("/sign-out/").content.decode()
    (address,) = re.findall(r'http-equiv="refresh"\s+content="0;url=([^"]*)"', page)
    way = urlsplit(unescape(address))
    asked = {name: value for name, (value,) in parse_qs(way.query).items()}
    assert way.path == "/out"
    assert asked["id_token_hint"].count(".") == 2
    assert asked["post_logout_redirect_uri"] == f"{settings.PORTAL_URL}/oidc/campus/signed-out/"
    assert client.get("/account/").status_code == 302
    assert not SignIn.objects.exists()
    back = client.get("/oidc/campus/signed-out/", {"state": asked["state"]})
    assert "asked to sign you out too" in text(back)


@pytest.mark.parametrize("away", [True, False])
def test_page_warns_if_the_provider_session_may_remain(campus, away):
    client = enter(campus)
    if away:
        campus.answers["/.well-known/openid-configuration"] = (503, b"")
    else:
        told = campus._description()
        del told["end_session_endpoint"]
        campus.answers["/.well-known/openid-configuration"] = (200, json.dumps(told).encode())
    cache.clear()
    answer = client.post("/sign-out/", follow=True)
    assert "may still be signed in" in text(answer)
    assert client.get("/account/").status_code == 302


def test_refresh_token_is_revoked_where_the_provider_supports_it(campus):
    told = {**campus._description(), "revocation_endpoint": f"{campus.issuer}/revoke"}
    campus.answers["/.well-known/openid-configuration"] = (200, json.dumps(told).encode())
    campus.answers["/revoke"] = (200, b"")
    enter(campus).post("/sign-out/")
    assert "/revoke" in campus.asked


def test_signed_out_page_needs_a_valid_state(campus):
    for state in ("", "forged", "x:y:z"):
        assert Client().get("/oidc/campus/signed-out/", {"state": state}).headers["Location"] == "/"


def test_password_account_signs_out_without_visiting_a_provider(campus, as_ada):
    assert as_ada.post("/sign-out/").url == "/"


def test_client_secret_is_sent_in_the_form_if_the_header_is_refused(campus):
    """The header is tried first where a provider says nothing; some know only the form."""
    told = campus.answer

    def by_form(path: str, form: dict[str, str]):
        if path == "/token" and "client_secret" not in form:
            return 401, {"error": "invalid_client"}
        return told(path, form)

    campus.answer = by_form
    assert enter(campus).get("/account/").status_code == 200
