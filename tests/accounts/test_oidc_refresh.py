"""A provider is asked again while a person is signed in, and its refusal ends all that is open to
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session as PortalSession
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from keys.models import Token
from keys.sealing import unseal
from portal.accounts.oidc import refresh, signins
from portal.accounts.oidc.claims import Policy
from portal.models import SignIn, User
from sessions import tasks
from sessions.models import Access
from sessions.states import ProjectState
from sessions.watch.reconcile import refresh_sign_ins
from tests.oidc.hostile import A_TOKEN, Hostile
from tests.stages import project_in

pytestmark = pytest.mark.django_db

YES, NO, AWAY = 200, 400, 503


@pytest.fixture
def campus(db, settings) -> Iterator[Hostile]:
    with Hostile() as provider:
        settings.OIDC_PROVIDERS = {"campus": provider.entry("campus")}
        yield provider


def enter(campus: Hostile) -> Client:
    client = Client()
    code, state = campus.agree(client.get("/oidc/campus/sign-in/").headers["Location"])
    assert client.get("/oidc/campus/callback/", {"code": code, "state": state}).status_code == 302
    return client


def say(campus: Hostile, status: int, **more: Any) -> None:
    """Set the provider's answer to refresh tokens from now on."""
    yes = {"access_token": "b", "token_type": "Bearer", **more}
    body = yes if status == YES else {"error": "invalid_grant"} if status == NO else {}
    campus.answers["/token"] = (status, json.dumps(body).encode())


def ask(*, again: bool = True) -> None:
    """Let time pass and have each due sign-in checked; twice, because a task may run twice."""
    SignIn.objects.update(due=timezone.now() - timedelta(seconds=1))
    for pk in SignIn.objects.due().values_list("pk", flat=True):
        tasks.refresh_sign_in(pk)
        if again:
            tasks.refresh_sign_in(pk)


def ada() -> User:
    return User.objects.get(username="ada")


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_sign_in_is_stored_with_a_sealed_refresh_token(campus):
    enter(campus)
    row = SignIn.objects.get()
    assert row.user == ada()
    assert row.provider == "campus"
    assert unseal(row.sealed, signins.REFRESH_TOKEN) == "r"
    assert not A_TOKEN.search(str(PortalSession.objects.get(pk=row.browser).get_decoded()))
    assert User.objects.filter(vouched_until__gt=timezone.now() + timedelta(days=29)).exists()


def test_successful_refresh_stores_the_new_token_and_claims(campus):
    client = enter(campus)
    campus.person |= {"email": "new@example.org", "groups": ["physics"]}
    User.objects.update(vouched_until=timezone.now() + timedelta(minutes=1))
    say(campus, YES, refresh_token="newer")
    ask()
    row = SignIn.objects.get()
    assert unseal(row.sealed, signins.REFRESH_TOKEN) == "newer"
    assert ada().email == "new@example.org"
    assert ada().groups.get().name == "physics"
    assert User.objects.filter(vouched_until__gt=timezone.now() + timedelta(days=29)).exists()
    assert is_in(client)


def test_task_that_runs_twice_refreshes_once(campus):
    enter(campus)
    say(campus, YES)
    campus.asked.clear()
    ask(again=True)
    assert campus.asked.count("/token") == 1


def test_refusal_ends_access_to_pages_notebooks_and_the_api(campus, backend):
    client = enter(campus)
    project = project_in(ProjectState.READY, ada())
    client.get(f"/projects/{project.name}/open/", {"entrant": "0" * 64})
    secret = Token.objects.issue(ada(), "laptop", ["read"], None)[1]
    assert Access.objects.count() == 1
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    assert program.get("/api/v1/me/").status_code == 200
    say(campus, NO)
    ask()
    assert not is_in(client)
    assert not SignIn.objects.exists()
    assert not Access.objects.exists()
    assert not ada().may_enter
    assert program.get("/api/v1/me/").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_refusal_after_signing_out_does_not_end_tokens(campus):
    """The provider signs the person out while it is asked; it then refuses."""
    enter(campus)
    secret = Token.objects.issue(ada(), "laptop", ["read"], None)[1]

    def sign_out() -> None:
        signins.end(SignIn.objects.get())
        connection.close()  # the provider has a thread of its own

    campus.meanwhile["/token"] = sign_out
    say(campus, NO)
    ask()
    assert not SignIn.objects.exists()
    assert ada().may_enter
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    assert program.get("/api/v1/me/").status_code == 200


def test_refusal_of_one_browser_makes_the_others_due_at_once(campus):
    first, second = enter(campus), enter(campus)
    row = SignIn.objects.earliest("pk")
    SignIn.objects.filter(pk=row.pk).update(due=timezone.now())
    say(campus, NO)
    tasks.refresh_sign_in(row.pk)
    assert not is_in(first)
    assert is_in(second)  # until it is asked
    assert SignIn.objects.due().count() == 1
    say(campus, YES)
    tasks.refresh_sign_in(SignIn.objects.due().get().pk)
    assert is_in(second)
    assert ada().may_enter


def test_refusal_of_every_browser_ends_all_access(campus):
    first, second = enter(campus), enter(campus)
    say(campus, NO)
    ask()
    assert not is_in(first) and not is_in(second)
    assert not ada().may_enter


@pytest.mark.parametrize("status", [AWAY, 500, 404, 200])
def test_provider_that_does_not_answer_ends_no_sign_in_at_first(campus, status):
    client = enter(campus)
    until = ada().vouched_until
    campus.answers["/token"] = (status, b"<html>Bad gateway</html>")
    ask()
    assert is_in(client)
    assert ada().vouched_until == until
    row = SignIn.objects.get()
    assert row.due <= timezone.now() + refresh.LEASE  # and is asked soon
    assert unseal(row.sealed, signins.REFRESH_TOKEN) == "r"


def test_unavailable_provider_is_asked_once_for_many_sign_ins(campus):
    for _browser in range(3):
        enter(campus)
    say(campus, AWAY)
    campus.asked.clear()
    ask(again=False)
    assert campus.asked.count("/token") == 1
    assert not SignIn.objects.due().exists()


@pytest.mark.parametrize("error", ["invalid_client", "server_error", "unsupported_grant_type"])
def test_error_about_the_portal_itself_ends_no_sign_in(campus, error):
    client = enter(campus)
    campus.answers["/token"] = (400, json.dumps({"error": error}).encode())
    ask()
    assert is_in(client)


def test_sign_in_that_was_not_confirmed_for_too_long_ends(campus):
    client = enter(campus)
    say(campus, AWAY)
    User.objects.update(vouched_until=timezone.now() - timedelta(seconds=1))
    ask()
    assert not is_in(client)


def test_person_newly_refused_by_policy_is_signed_out_everywhere(campus, settings):
    first, second = enter(campus), enter(campus)
    settings.OIDC_POLICY = Policy(allow_groups=frozenset({"members"}))
    say(campus, YES)
    ask()
    assert not is_in(first) and not is_in(second)
    assert not ada().may_enter
    assert not SignIn.objects.exists()


def test_answer_about_another_person_is_ignored(campus):
    client = enter(campus)
    campus.person = {"sub": "2", "email": "eve@example.org"}
    say(campus, YES)
    ask()
    assert ada().email == ""
    assert User.objects.count() == 1
    assert is_in(client)


def test_session_without_a_refresh_token_expires(campus, settings):
    settings.OIDC_SESSION_HOURS = 3
    told = campus._tokens

    def without(form: dict[str, str]) -> tuple[int, Any]:
        status, answer = told(form)
        return status, {name: it for name, it in answer.items() if name != "refresh_token"}

    campus._tokens = without
    enter(campus)
    session = PortalSession.objects.get(pk=SignIn.objects.get().browser)
    left = session.expire_date - timezone.now()
    assert timedelta(hours=2.9) < left <= timedelta(hours=3)


def test_signed_out_browser_is_not_refreshed(campus):
    enter(campus)
    PortalSession.objects.all().delete()
    campus.asked.clear()
    ask()
    assert not SignIn.objects.exists()
    assert "/token" not in campus.asked
    assert ada().may_enter  # their tokens are nobody's browser


def test_two_tabs_of_one_browser_leave_one_sign_in(campus):
    client = Client()
    tabs = [campus.agree(client.get("/oidc/campus/sign-in/").headers["Location"]) for _ in "ab"]
    for code, state in tabs:
        client.get("/oidc/campus/callback/", {"code": code, "state": state})
    assert SignIn.objects.get().browser == client.session.session_key
    assert is_in(client)


def test_disabled_account_cannot_sign_in_by_its_provider(campus):
    client = enter(campus)
    User.objects.update(is_active=False)
    assert not is_in(client)
    fresh = Client()
    code, state = campus.agree(fresh.get("/oidc/campus/sign-in/").headers["Location"])
    answer = fresh.get("/oidc/campus/callback/", {"code": code, "state": state})
    assert answer.status_code == 403
    assert "oidc.closed" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_watch_queues_a_task_for_each_due_refresh(campus):
    enter(campus)
    refresh_sign_ins()
    assert not OrmQ.objects.exists()
    SignIn.objects.update(due=timezone.now())
    refresh_sign_ins()
    assert OrmQ.objects.get().func() == "sessions.tasks.refresh_sign_in"


def test_expired_confirmation_ends_password_sessions_too(as_ada):
    assert is_in(as_ada)
    User.objects.update(vouched_until=timezone.now())
    assert not is_in(as_ada)
