"""Replays: values that were valid once, or for another person, are valid no more."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import User
from tests.oidc.conftest import Arrive, come_back, leave
from tests.oidc.hostile import Hostile


def refused(answer, code: str) -> bool:
    page = answer.content.decode()
    return 400 <= answer.status_code < 500 and code in page and '/sign-in/"' in page


def test_same_callback_is_refused_the_second_time(hostile: Hostile):
    client = Client()
    code, state = hostile.agree(leave(client))
    assert come_back(client, code=code, state=state).status_code == 302
    client.logout()
    assert refused(come_back(client, code=code, state=state), "oidc.state")
    assert client.get("/account/").status_code == 302


def test_code_is_refused_in_another_sign_in(hostile: Hostile):
    ada, eve = Client(), Client()
    stolen, _ = hostile.agree(leave(ada))
    _, state = hostile.agree(leave(eve))
    assert refused(come_back(eve, code=stolen, state=state), "oidc.refused")  # by its challenge
    assert not User.objects.exists()


def test_callback_is_refused_in_another_browser(hostile: Hostile):
    code, state = hostile.agree(leave(Client()))
    victim = Client()
    assert refused(come_back(victim, code=code, state=state), "oidc.state")
    leave(victim)
    assert refused(come_back(victim, code=code, state=state), "oidc.state")
    assert not User.objects.exists()


def test_unsolicited_callback_is_refused(hostile: Hostile):
    for brought in ({}, {"code": "a"}, {"state": "a"}, {"code": "a", "state": "a"}):
        assert refused(come_back(Client(), **brought), "oidc.state")


def test_callback_is_refused_at_another_provider(hostile: Hostile, settings):
    """Mix-up: what one provider was asked, another one has answered."""
    settings.OIDC_PROVIDERS = {**settings.OIDC_PROVIDERS, "good": hostile.entry("good")}
    client = Client()
    code, state = hostile.agree(leave(client))
    answer = client.get("/oidc/good/callback/", {"code": code, "state": state})
    assert refused(answer, "oidc.state")
    assert "/token" not in hostile.asked


def test_callback_that_names_another_issuer_signs_nobody_in(hostile: Hostile):
    """RFC 9207: a provider says in its answer who it is."""
    client = Client()
    code, state = hostile.agree(leave(client))
    come_back(client, code=code, state=state, iss="https://idp.example.org")
    assert not User.objects.exists()


def test_id_token_of_another_sign_in_is_refused(hostile: Hostile, arrive: Arrive):
    kept: list[str] = []

    def keep(claims):
        kept.append(hostile.sign(claims))
        return kept[0]

    hostile.forge = keep
    arrive(Client())
    User.objects.all().delete()
    assert refused(arrive(Client()), "oidc.token")
    assert not User.objects.exists()


def test_sign_in_changes_the_session_key(hostile: Hostile, arrive: Arrive):
    """Who planted a session in somebody's browser is not signed in with them."""
    client = Client()
    leave(client)
    planted = client.session.session_key
    assert arrive(client).status_code == 302
    assert client.session.session_key != planted


@pytest.mark.parametrize("times", [3])
def test_unfinished_sign_ins_do_not_pile_up(hostile: Hostile, times):
    client = Client()
    addresses = [leave(client) for _ in range(times * 20)]
    assert len(str(dict(client.session))) < 20_000
    code, state = hostile.agree(addresses[-1])
    assert come_back(client, code=code, state=state).status_code == 302
