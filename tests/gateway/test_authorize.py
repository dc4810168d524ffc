"""Authorization for a notebook, by the function that decides it: each condition by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session as PortalSession
from django.test import Client
from django.utils import timezone

from keys.models import Token, digest
from portal.models import User
from sessions.gateway.authorize import Credential, Decision, authorize, decide, is_session_of
from sessions.models import Access, Project, Session
from sessions.states import SessionState
from tests.gateway.conftest import make_project

pytestmark = pytest.mark.django_db

NAME, OTHER, NOBODYS = "ada-flowers", "ada-other", "nobodys"
ADDRESS = "unix:/run/7"
COOKIE = "what the browser holds"


@pytest.fixture
def project(ada) -> Project:
    make_project(ada, OTHER, ADDRESS)
    return make_project(ada, NAME, ADDRESS)


def browser_of(user: User) -> str:
    """Return the key of a portal session in which this person has signed in."""
    client = Client()
    client.force_login(user)
    return str(client.session.session_key)


def access(user: User, project: Project, **more: object) -> Access:
    fields = {"browser": browser_of(user), "ticket": digest("t"), "cookie": digest(COOKIE)}
    return Access.objects.create(user=user, project=project, **{**fields, **more})


def decision(label: str = NAME, cookie: str = COOKIE) -> Decision:
    return authorize(label, cookie).decision


def test_a_valid_cookie_opens_its_notebook(ada, project):
    access(ada, project)
    authorization = authorize(NAME, COOKIE)
    assert authorization.decision is Decision.ALLOWED
    assert (authorization.user_id, authorization.project_id) == (ada.pk, project.pk)
    assert (authorization.address, authorization.token) == (ADDRESS, project.current.server_token)


@pytest.mark.parametrize("label", [OTHER, NOBODYS, "", NAME.upper()])
def test_a_cookie_does_not_open_another_notebook(ada, project, label):
    access(ada, project)
    assert decision(label) is Decision.SIGN_IN


@pytest.mark.parametrize("cookie", ["", "another", digest(COOKIE)])
def test_another_cookie_does_not_open_the_notebook(ada, project, cookie):
    access(ada, project)
    assert decision(cookie=cookie) is Decision.SIGN_IN


def test_an_unredeemed_ticket_is_not_a_cookie(ada, project):
    access(ada, project, cookie=None)
    assert decision(cookie="t") is decision(cookie="") is Decision.SIGN_IN


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"vouched_until": timezone.now() - timedelta(seconds=1)},
     {"signed_out": timezone.now()}, {"password": "another"}],
    ids=["disabled", "vouched for no longer", "signed out everywhere", "with another password"],
)  # fmt: skip
def test_a_cookie_opens_nothing_once_its_user_may_not_sign_in(ada, project, change):
    access(ada, project)
    assert decision() is Decision.ALLOWED
    User.objects.filter(pk=ada.pk).update(**change)
    assert decision() is Decision.SIGN_IN


def test_a_cookie_does_not_open_a_deleted_project(ada, project):
    access(ada, project)
    Project.objects.filter(pk=project.pk).update(removed=timezone.now())
    assert decision() is Decision.SIGN_IN


def test_a_cookie_of_anybody_but_the_owner_opens_nothing(bob, vera, sue, stan, root, project):
    for number, user in enumerate((bob, vera, sue, stan, root)):
        cookie = f"{COOKIE} {number}"
        access(user, project, cookie=digest(cookie), ticket=digest(cookie))
        assert decision(cookie=cookie) is Decision.SIGN_IN


def test_a_cookie_opens_nothing_once_the_browser_is_signed_out(ada, project):
    row = access(ada, project)
    mine = PortalSession.objects.filter(session_key=row.browser)
    mine.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert decision() is Decision.SIGN_IN
    mine.update(expire_date=timezone.now() + timedelta(days=1))
    assert decision() is Decision.ALLOWED
    mine.delete()
    assert decision() is Decision.SIGN_IN


def test_a_cookie_opens_nothing_once_somebody_else_signs_in(ada, bob, project):
    access(ada, project, browser=browser_of(bob))
    assert decision() is Decision.SIGN_IN


def test_a_sign_in_is_bound_to_one_person_and_one_password(ada, bob):
    good = {SESSION_KEY: str(ada.pk), HASH_SESSION_KEY: ada.get_session_auth_hash()}
    assert is_session_of(ada, good)
    assert not is_session_of(ada, {})
    assert not is_session_of(ada, {SESSION_KEY: str(ada.pk)})
    assert not is_session_of(ada, {**good, SESSION_KEY: str(bob.pk)})
    assert not is_session_of(ada, {**good, HASH_SESSION_KEY: bob.get_session_auth_hash()})
    assert not is_session_of(bob, good)


def test_a_sign_in_under_a_fallback_secret_key_is_valid(ada, settings):
    held = {SESSION_KEY: str(ada.pk), HASH_SESSION_KEY: ada.get_session_auth_hash()}
    old, settings.SECRET_KEY = settings.SECRET_KEY, "x" * 50
    assert not is_session_of(ada, held)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert is_session_of(ada, held)


# --- By a token ---
def by_token(user: User, label: str = NAME, scopes: tuple[str, ...] = ("notebook",)) -> Decision:
    return authorize(label, bearer=Token.objects.issue(user, "x", scopes)[1]).decision


def test_a_token_opens_only_its_owners_notebooks(ada, bob, vera, sue, stan, root, project):
    assert by_token(ada) is by_token(ada, OTHER) is Decision.ALLOWED
    assert by_token(ada, NOBODYS) is Decision.NOT_FOUND
    for user in (bob, vera, sue, stan, root):
        assert by_token(user) is by_token(user, NOBODYS) is Decision.NOT_FOUND


@pytest.mark.parametrize("scopes", [("read",), ("launch",), ("read", "launch")])
def test_a_token_needs_the_notebook_scope(ada, project, scopes):
    for label in (NAME, NOBODYS):
        assert by_token(ada, label, scopes) is Decision.NO_SCOPE


def test_a_token_does_not_open_a_deleted_project(ada, project):
    Project.objects.update(removed=timezone.now())
    assert by_token(ada) is Decision.NOT_FOUND


def test_an_invalid_or_expired_token_is_refused(ada, project):
    token, secret = Token.objects.issue(ada, "x")
    for bad in ("", "bdy_nothing", token.digest):
        assert authorize(NAME, bearer=bad).decision is Decision.SIGN_IN
    token.expires = timezone.now()
    token.save()
    assert authorize(NAME, bearer=secret).decision is Decision.SIGN_IN


def test_a_token_wins_over_a_cookie(ada, bob, project):
    access(ada, project)
    secret = Token.objects.issue(bob, "x")[1]
    assert authorize(NAME, COOKIE, secret).decision is Decision.NOT_FOUND


# --- What is there ---
@pytest.mark.parametrize("state", [state for state in SessionState if state != "ready"])
def test_only_a_ready_notebook_is_reachable(ada, project, state):
    access(ada, project)
    Session.objects.filter(project=project).update(state=state)
    authorization = authorize(NAME, COOKIE)
    assert (authorization.decision, authorization.state) == (Decision.NOT_RUNNING, state)
    assert (authorization.address, authorization.token) == ("", "")


def test_a_project_that_never_ran_is_not_reachable(ada):
    access(ada, make_project(ada, NAME))
    assert decision() is Decision.NOT_RUNNING


def test_a_notebook_with_an_unreadable_token_is_not_reachable(ada, project, settings):
    access(ada, project)
    settings.PORTAL_ENCRYPTION_KEYS = ["a new key, which is as long as a key has to be"]
    authorization = authorize(NAME, COOKIE)
    assert (authorization.decision, authorization.address, authorization.token) == (
        Decision.UNREADABLE,
        "",
        "",
    )


def test_each_credential_in_a_batch_gets_its_own_decision(ada, bob, project):
    access(ada, project)
    secret = Token.objects.issue(bob, "x")[1]
    asked = [Credential(NAME, COOKIE), Credential(OTHER, COOKIE), Credential(NAME, bearer=secret)]
    found = [authorization.decision for authorization in decide(asked).values()]
    assert found == [Decision.ALLOWED, Decision.SIGN_IN, Decision.NOT_FOUND]
