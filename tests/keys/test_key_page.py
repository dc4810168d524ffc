"""The SSH key on the account page: none yet, present, replaced; and what the API says of it."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django_q.models import OrmQ

from keys import keypairs
from keys.models import KeyPair, Token
from portal.models import User
from sessions import lifecycle

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

GET, ROTATE = "/api/v1/ssh-key/", "/api/v1/ssh-key/rotate/"


def page(client: Client) -> str:
    return client.get("/account/").content.decode()


def with_token(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {Token.objects.issue(user, 'test')[1]}"})


# --- The page --------------------------------------------------------------------------------
def test_the_page_offers_to_create_the_first_key(ada: User, as_ada: Client) -> None:
    assert "Create my key now" in page(as_ada)
    answer = as_ada.post("/account/ssh-key/make/", follow=True)
    pair = KeyPair.objects.get(user=ada)
    text = answer.content.decode()
    assert "Your SSH key is ready." in text
    assert pair.public in text and pair.fingerprint in text
    assert "Create my key now" not in text


def test_creating_a_key_twice_keeps_the_first(ada: User, as_ada: Client) -> None:
    pair = keypairs.ensure(ada)
    as_ada.post("/account/ssh-key/make/")
    assert KeyPair.objects.get().fingerprint == pair.fingerprint


def test_the_page_shows_the_key_after_the_first_launch(ada: User, as_ada: Client) -> None:
    lifecycle.launch(ada, "ada/flowers")
    assert KeyPair.objects.get().public in page(as_ada)


def test_links_to_the_forges_open_in_a_new_tab_without_opener(ada: User, as_ada: Client) -> None:
    keypairs.ensure(ada)
    for address in ("https://github.com/settings/ssh/new", "https://gitlab.com/-/user_settings/"):
        link = re.findall(rf'<a[^>]*href="{address}[^>]*>', page(as_ada))[0]
        assert 'target="_blank"' in link and 'rel="noopener"' in link


def test_replacing_the_key_confirms_and_queues_its_renewal(
    ada: User, as_ada: Client, django_capture_on_commit_callbacks
) -> None:
    before = keypairs.ensure(ada).fingerprint
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_ada.post("/account/ssh-key/replace/", follow=True)
    text = answer.content.decode()
    assert "Your SSH key has been replaced" in text
    assert before not in text and KeyPair.objects.get().fingerprint in text
    assert [row.task["func"] for row in OrmQ.objects.all()] == ["sessions.tasks.renew_identity"]


@pytest.mark.parametrize("verb", ["make", "replace"])
def test_a_get_changes_nothing_and_eve_is_sent_to_sign_in(
    ada: User, as_ada: Client, as_eve: Client, verb: str
) -> None:
    keypairs.ensure(ada)
    before = KeyPair.objects.get().fingerprint
    assert as_ada.get(f"/account/ssh-key/{verb}/").status_code == 405
    assert as_eve.post(f"/account/ssh-key/{verb}/").headers["location"].startswith("/sign-in/")
    assert KeyPair.objects.get().fingerprint == before


def test_a_form_on_another_site_changes_nothing(ada: User) -> None:
    keypairs.ensure(ada)
    before = KeyPair.objects.get().fingerprint
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.post("/account/ssh-key/replace/").status_code == 403
    assert KeyPair.objects.get().fingerprint == before


def test_everybody_sees_only_their_own_key(ada: User, as_ada: Client, as_bob: Client) -> None:
    pair = keypairs.ensure(ada)
    assert pair.public in page(as_ada)
    assert pair.public not in page(as_bob)


# --- The API ---------------------------------------------------------------------------------
def test_the_api_is_404_without_a_key_and_says_how_to_create_one(ada: User) -> None:
    answer = with_token(ada).get(GET)
    assert answer.status_code == 404
    assert answer.json()["code"] == "ssh-key.none"
    assert "rotate" in answer.json()["detail"]


def test_the_api_returns_only_the_public_half(ada: User) -> None:
    pair = keypairs.ensure(ada)
    answer = with_token(ada).get(GET)
    assert answer.status_code == 200
    assert set(answer.json()) == {"public_key", "type", "fingerprint", "created"}
    assert answer.json()["public_key"] == pair.public
    assert answer.json()["type"] == "ssh-ed25519"
    assert answer.json()["fingerprint"] == pair.fingerprint


def test_rotating_by_api_creates_the_first_key_and_replaces_it(ada: User) -> None:
    api = with_token(ada)
    first, second = api.post(ROTATE), api.post(ROTATE)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["fingerprint"] != second.json()["fingerprint"]
    assert api.get(GET).json() == second.json()
    assert KeyPair.objects.count() == 1


def test_bob_does_not_see_adas_key_and_eve_gets_401(ada: User, bob: User, as_eve: Client) -> None:
    keypairs.ensure(ada)
    assert with_token(bob).get(GET).status_code == 404
    assert as_eve.get(GET).status_code == 401
    assert as_eve.post(ROTATE).status_code == 401


def test_the_read_scope_shows_the_key_but_does_not_rotate_it(ada: User) -> None:
    secret = Token.objects.issue(ada, "a script", ["read"])[1]
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    keypairs.ensure(ada)
    assert api.get(GET).status_code == 200
    assert api.post(ROTATE).status_code == 403
    assert api.get(ROTATE).status_code in {403, 405}
