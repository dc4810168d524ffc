"""API tokens on the account page: made there, shown once, revoked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session as PortalSession
from django.test import Client
from django.utils import timezone

from keys import issuing
from keys.models import Token
from portal.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

ADDRESS = "/account/tokens/"
SECRET = re.compile(r"bdy_[\w-]{43}")


def words(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def secret_on(answer) -> str:
    found = SECRET.findall(answer.content.decode())
    assert len(set(found)) == 1
    return found[0]


def make(client: Client, **changed: object):
    return client.post(ADDRESS, {"name": "laptop", "scopes": ["read"], "days": "30", **changed})


def test_page_without_tokens_says_what_they_are_for(as_ada):
    text = words(as_ada.get("/account/"))
    assert "launch notebooks from a script" in text
    assert "Revoke all tokens" not in text


def test_the_secret_is_shown_once_and_works(as_ada):
    answer = make(as_ada)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    secret = secret_on(answer)
    assert "nobody can see it again" in words(answer)
    token = Token.objects.find_by_secret(secret)
    assert (token.name, token.scopes, token.user.username) == ("laptop", ["read"], "ada")
    assert token.expires
    assert token.expires - token.created < timedelta(days=30, minutes=5)
    page = as_ada.get("/account/").content.decode()
    assert not SECRET.search(page)
    assert f"{token.start}…" in page


def test_secret_is_stored_in_no_session(as_ada):
    make(as_ada)
    for row in PortalSession.objects.all():
        assert "bdy_" not in str(row.get_decoded())


def test_sample_command_is_one_that_the_scopes_allow(as_ada, settings):
    answer = make(as_ada)
    command = f"Bearer {secret_on(answer)}&quot; {settings.PORTAL_URL}/api/v1/me/"
    assert command in answer.content.decode()
    assert "curl" not in make(as_ada, name="other", scopes=["notebook"]).content.decode()


def test_resubmitted_form_creates_no_second_token(as_ada):
    make(as_ada)
    answer = make(as_ada)
    assert answer.status_code == 400
    assert "You already have a token with this name" in words(answer)
    assert Token.objects.count() == 1


def test_expiry_date_overrides_the_number_of_days(as_ada):
    day = timezone.localdate() + timedelta(days=5)
    make(as_ada, expires=day.isoformat())
    ends = timezone.localtime(Token.objects.get().expires)
    assert (ends.date(), ends.hour) == (day + timedelta(days=1), 0)


def test_latest_allowed_expiry_is_offered_and_accepted(as_ada, settings):
    settings.PORTAL_TOKEN_DAYS = 60
    page = as_ada.get("/account/").content.decode()
    last = timezone.localdate() + timedelta(days=60)
    assert re.findall(r'<option value="(\d+)"', page.partition('name="days"')[2])[:2] == [
        "30",
        "60",
    ]
    assert f'max="{last}"' in page
    assert make(as_ada, expires=last.isoformat()).status_code == 200


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"name": ""}, "required"),
        ({"name": " "}, "required"),
        ({"name": "x" * 101}, "100"),
        ({"scopes": []}, "Choose at least one scope"),
        ({"scopes": ["everything"]}, "everything"),
        ({"days": "3000"}, "3000"),
        ({"expires": "2001-01-01"}, "past"),
        ({"expires": "9999-12-31"}, "at most 365 days"),
        ({"expires": "soon"}, "valid date"),
    ],
)
def test_invalid_input_is_reported_on_the_form(as_ada, wish, says):
    answer = make(as_ada, **wish)
    assert answer.status_code == 400
    assert says in words(answer)
    assert not Token.objects.exists()


def test_number_of_tokens_is_limited(as_ada, ada):
    for number in range(issuing.MAX_TOKENS):
        Token.objects.issue(ada, f"number {number}")
    answer = make(as_ada)
    assert answer.status_code == 400
    assert "You have 100 tokens" in words(answer)


def test_page_shows_scopes_and_expiry_of_each_token(as_ada, ada):
    Token.objects.issue(ada, "nightly", ["launch"], timezone.now() + timedelta(days=3))
    Token.objects.issue(ada, "for long")
    Token.objects.filter(pk=Token.objects.issue(ada, "over")[0].pk).update(
        expires=timezone.now() - timedelta(days=1)
    )
    text = words(as_ada.get("/account/"))
    assert re.search(
        r"over bdy_\S+… may view, launch and change, reach notebooks never used ex", text
    )
    assert re.search(
        r"nightly bdy_\S+… may view, launch and change never used expires soon, on", text
    )
    assert re.search(r"for long .{,90} expires", text)


def test_revoking_one_token_leaves_the_others(as_ada, ada):
    token, secret = Token.objects.issue(ada, "laptop")
    other = Token.objects.issue(ada, "desk")[1]
    answer = as_ada.post(f"{ADDRESS}{token.pk}/revoke/")
    assert (answer.status_code, answer.url) == (303, "/account/#tokens")
    assert "The token “laptop” is revoked." in words(as_ada.get("/account/"))
    assert Token.objects.find_by_secret(secret) is None
    assert Token.objects.find_by_secret(other)


def test_revoking_all_tokens_leaves_those_of_other_people(as_ada, ada, bob):
    for name in ("laptop", "desk"):
        Token.objects.issue(ada, name)
    his = Token.objects.issue(bob, "his")[0]
    assert as_ada.post(f"{ADDRESS}revoke/").status_code == 303
    assert list(Token.objects.all()) == [his]


def test_other_people_cannot_revoke_a_token(as_bob, as_stan, as_eve, ada):
    token = Token.objects.issue(ada, "laptop")[0]
    for client in (as_bob, as_stan):
        assert client.post(f"{ADDRESS}{token.pk}/revoke/").status_code == 404
        client.post(f"{ADDRESS}revoke/")
    for address in (ADDRESS, f"{ADDRESS}{token.pk}/revoke/", f"{ADDRESS}revoke/"):
        answer = as_eve.post(address)
        assert (answer.status_code, answer.url) == (302, f"/sign-in/?next={address}")
    assert Token.objects.get() == token


def test_get_requests_make_and_revoke_nothing(as_ada, ada):
    token = Token.objects.issue(ada, "laptop")[0]
    for address in (f"{ADDRESS}{token.pk}/revoke/", f"{ADDRESS}revoke/"):
        assert as_ada.get(address).status_code == 405
    assert as_ada.get(ADDRESS).status_code == 200
    assert Token.objects.get() == token


def test_making_a_token_needs_the_csrf_token(ada):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert make(client).status_code == 403
    assert not Token.objects.exists()


def test_a_token_opens_no_page(ada):
    secret = Token.objects.issue(ada, "laptop")[1]
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.get("/account/").status_code == 302
    assert make(client).status_code == 302


def test_token_name_is_escaped(as_ada):
    make(as_ada, name="<b onclick=x>")
    assert "<b onclick" not in as_ada.get("/account/").content.decode()


def test_signing_out_everywhere_keeps_tokens(ada):
    from portal.accounts import manage

    secret = Token.objects.issue(ada, "laptop")[1]
    manage.sign_out(User.objects.get(pk=ada.pk))
    assert Token.objects.find_by_secret(secret)
