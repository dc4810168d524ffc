"""A password that staff have set opens one page: its owner chooses another, and is notified."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.test import Client
from django.utils import timezone

from keys.models import Token
from portal.accounts import passwords
from portal.models import Letter, User
from sessions.states import ProjectState
from tests.admin.pages import filled_in
from tests.conftest import signed_in
from tests.making import words_of
from tests.stages import project_in

pytestmark = pytest.mark.django_db

GIVEN, CHOSEN = "a password of stan's own", "what only ada can know"
CHOOSE = "/sign-in/password/"


def give(by: Client, user: User, password: str = GIVEN) -> Any:
    both = {"password1": password, "password2": password, "usable_password": "true"}
    return by.post(f"/admin/portal/user/{user.pk}/password/", both)


HERE = "/sign-in/?next=/account/"


def sign_in(name: str, password: str, where: str = HERE) -> tuple[Client, Any]:
    client = Client()
    return client, client.post(where, {"username": name, "password": password})


def choose(client: Client, password: str) -> Any:
    both = {"new_password1": password, "new_password2": password}
    return client.post(f"{CHOOSE}?next=/account/", both)


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_given_password_opens_only_the_page_to_choose_another(as_stan, ada, backend):
    """No page, no API, no notebook: there is no session before another was chosen."""
    project = project_in(ProjectState.READY, ada)
    assert give(as_stan, ada).status_code == 302
    client, answer = sign_in("ada", GIVEN)
    assert (answer.status_code, answer["Location"]) == (302, f"{CHOOSE}?next=%2Faccount%2F")
    for address in ("/account/", "/", f"/projects/{project.name}/open/", "/api/v1/me/"):
        page = client.get(address)
        assert page.status_code in {302, 401} or not page.context["user"].is_authenticated
    assert client.post("/account/tokens/", {"name": "mine"}).status_code == 302
    assert not Token.objects.exists()
    _client, answer = sign_in("ada", GIVEN, "/admin/login/")
    assert answer.status_code == 200
    assert not is_in(_client)


def test_owner_chooses_a_password_and_continues_to_the_requested_page(as_stan, ada):
    give(as_stan, ada)
    client, _answer = sign_in("ada", GIVEN)
    assert "Choose one of your own" in words_of(client, CHOOSE)
    answer = choose(client, CHOSEN)
    assert (answer.status_code, answer["Location"]) == (302, "/account/")
    assert is_in(client)
    for password, opens in ((GIVEN, False), (CHOSEN, True)):
        other, _answer = sign_in("ada", password)
        assert is_in(other) is opens


def test_chosen_password_must_differ_from_the_given_one(as_stan, ada):
    give(as_stan, ada)
    client, _answer = sign_in("ada", GIVEN)
    answer = choose(client, GIVEN)
    assert "Choose a different one" in answer.content.decode()
    assert choose(client, "12345678").status_code == 200  # nor is any other good enough
    assert not is_in(client)


def test_choice_page_needs_the_given_password(as_stan, ada, bob):
    give(as_stan, ada)
    assert choose(Client(), CHOSEN)["Location"] == "/sign-in/"
    client, _answer = sign_in("bob", "bob's password")
    assert choose(client, CHOSEN)["Location"] == "/sign-in/"
    assert not User.objects.get(pk=ada.pk).check_password(CHOSEN)


def test_choice_page_expires_and_ends_when_another_password_is_given(as_stan, ada, monkeypatch):
    give(as_stan, ada)
    slow, _answer = sign_in("ada", GIVEN)
    late, _answer = sign_in("ada", GIVEN)
    give(as_stan, ada, "another one of stan's")
    assert choose(slow, CHOSEN)["Location"] == "/sign-in/"
    client, _answer = sign_in("ada", "another one of stan's")
    now = time.time()
    monkeypatch.setattr(
        "portal.accounts.passwords.time.time", lambda: now + passwords.CHOICE_SECONDS + 1
    )
    assert choose(client, CHOSEN)["Location"] == "/sign-in/"
    assert choose(late, CHOSEN)["Location"] == "/sign-in/"


def test_next_cannot_lead_to_another_site(as_stan, ada):
    give(as_stan, ada)
    client, _answer = sign_in("ada", GIVEN, "/sign-in/?next=https://evil.example.org/")
    both = {"new_password1": CHOSEN, "new_password2": CHOSEN, "next": "https://evil.example.org/"}
    assert client.post(f"{CHOOSE}?next=https://evil.example.org/", both)["Location"] == "/"


def test_disabled_person_cannot_choose_a_password(as_stan, ada):
    give(as_stan, ada)
    client, _answer = sign_in("ada", GIVEN)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert choose(client, CHOSEN)["Location"] == "/sign-in/"


def test_first_password_of_a_new_account_must_be_replaced(as_stan):
    form = {"username": "grace", "password1": GIVEN, "password2": GIVEN, "usable_password": "true"}
    assert as_stan.post("/admin/portal/user/add/", form).status_code == 302
    client, answer = sign_in("grace", GIVEN)
    assert answer["Location"].startswith(CHOOSE)
    choose(client, CHOSEN)
    assert is_in(client)
    assert "set a password" not in words_of(client)  # they know, and were told by nobody else


def test_password_that_staff_set_for_themselves_counts_as_chosen(as_root, root):
    """Staff who change theirs in the admin have chosen it."""
    give(as_root, root, CHOSEN)
    client, answer = sign_in("root", CHOSEN)
    assert answer["Location"] == "/account/"
    assert is_in(client)


def test_owner_is_notified_by_letter_and_on_every_page(as_stan, ada, server):
    User.objects.filter(pk=ada.pk).update(date_joined=timezone.now() - timedelta(days=90))
    give(as_stan, ada)
    client, _answer = sign_in("ada", GIVEN)
    choose(client, CHOSEN)
    subjects = list(Letter.objects.filter(to=ada).order_by("pk").values_list("subject", flat=True))
    assert subjects == [
        "The staff set a password for your account",
        "A new password was chosen for your account",
    ]
    assert not any(secret in letter.text for letter in Letter.objects.all()
                   for secret in (GIVEN, CHOSEN))  # fmt: skip
    assert "The staff set a password for your account on" in words_of(client)
    later = timezone.now() - timedelta(days=15)
    User.objects.filter(pk=ada.pk).update(password_given=later)
    assert "set a password for your account" not in words_of(client)


def test_owner_who_signs_in_another_way_is_notified_too(as_stan, ada):
    User.objects.filter(pk=ada.pk).update(date_joined=timezone.now() - timedelta(days=90))
    give(as_stan, ada)
    assert "set a password for your account" in words_of(signed_in(User.objects.get(pk=ada.pk)))


def test_email_change_by_staff_is_reported_to_the_old_address(as_stan, ada, server):
    """The address of before is told that it is one of before."""
    address = f"/admin/portal/user/{ada.pk}/change/"
    data = {**filled_in(as_stan.get(address)), "email": "stan@evil.example.org"}
    assert as_stan.post(address, data).status_code == 302
    letter = Letter.objects.get()
    assert (letter.to, letter.recipient) == (ada, "ada@example.org")
    assert letter.subject == "The staff changed the email address of your account"


def test_operators_cannot_set_a_password_for_a_provider_account(as_stan, as_root, ada):
    User.objects.filter(pk=ada.pk).update(issuer="https://id.example.org", subject="17")
    give(as_stan, ada)
    assert not User.objects.get(pk=ada.pk).check_password(GIVEN)
    give(as_root, ada)
    assert User.objects.get(pk=ada.pk).must_choose_password


def test_audit_log_records_who_gave_and_who_chose_the_password(as_stan, stan, ada):
    give(as_stan, ada)
    client, _answer = sign_in("ada", GIVEN)
    choose(client, CHOSEN)
    entries = LogEntry.objects.get_for_object(ada).filter(changes__has_key="password")
    given, chosen = entries.order_by("timestamp", "pk").exclude(changes__has_key="username")
    assert (given.actor, set(given.changes)) == (stan, {"password", "password_given"})
    assert (chosen.actor, set(chosen.changes)) == (ada, {"password", "password_chosen"})
    assert given.changes["password"] == chosen.changes["password"] == ["…", "…"]
    ada.refresh_from_db()
    stored = [str(entry.changes) for entry in LogEntry.objects.all()]
    assert not any(ada.password in text or ada.password[-10:] in text for text in stored)
