"""A ticket works once, for a short time, on one host; by the functions that make and redeem it."""

from __future__ import annotations

import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from django.utils import timezone

from keys.models import digest
from portal.models import User
from sessions.gateway import tickets
from sessions.gateway.tickets import LIFETIME_SECONDS, SALT, NotOwner, safe_path
from sessions.models import Access, Project
from tests.gateway.conftest import make_project

pytestmark = pytest.mark.django_db

NAME, OTHER, BROWSER = "ada-flowers", "ada-other", "the browser"
ENTRANT = digest("a secret in a cookie")
NBGITPULLER = "git-pull?repo=https%3A%2F%2Fgithub.com%2Fo%2Fc&urlpath=lab%2Ftree%2Fc%2F%3Fx"


@pytest.fixture
def project(ada) -> Project:
    make_project(ada, OTHER)
    return make_project(ada, NAME)


def issued(user: User, project: Project, browser: str = BROWSER, path: str = "") -> str:
    address = tickets.issue_ticket(user, project, browser, ENTRANT, path)
    return parse_qs(urlsplit(address).query)["ticket"][0]


def test_a_ticket_is_exchanged_for_a_cookie_once(ada, project):
    ticket = issued(ada, project)
    entry = tickets.redeem(ticket, NAME, ENTRANT)
    assert entry
    row = Access.objects.get()
    assert (row.cookie, row.browser, row.user, row.project) == (
        digest(entry.cookie), BROWSER, ada, project,
    )  # fmt: skip
    assert tickets.redeem(ticket, NAME, ENTRANT) is None
    row.refresh_from_db()
    assert row.cookie == digest(entry.cookie)


@pytest.mark.parametrize("label", [OTHER, "nobodys", ""])
def test_a_ticket_tried_on_another_host_stays_valid(ada, project, label):
    ticket = issued(ada, project)
    assert tickets.redeem(ticket, label, ENTRANT) is None
    assert tickets.redeem(ticket, NAME, ENTRANT)


def test_a_ticket_expires_after_its_lifetime(ada, project, monkeypatch):
    late, ticket = issued(ada, project), issued(ada, project)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LIFETIME_SECONDS - 2)
    assert tickets.redeem(ticket, NAME, ENTRANT)
    monkeypatch.setattr(time, "time", lambda: now + LIFETIME_SECONDS + 2)
    assert tickets.redeem(late, NAME, ENTRANT) is None


def test_a_ticket_does_not_open_a_deleted_or_revoked_project(ada, project):
    ticket = issued(ada, project)
    Project.objects.filter(pk=project.pk).update(removed=timezone.now())
    assert tickets.redeem(ticket, NAME, ENTRANT) is None
    Project.objects.update(removed=None)
    tickets.revoke_user(ada)
    assert tickets.redeem(ticket, NAME, ENTRANT) is None


@pytest.mark.parametrize("salt", ["", "another", f"{SALT}.x"])
def test_a_ticket_with_another_signature_is_refused(ada, project, salt):
    issued(ada, project)
    Access.objects.update(ticket=digest("known"))
    forged = signing.dumps(["known", "/lab", ENTRANT], salt=salt)
    for ticket in ("", "x", forged, signing.dumps(["unknown", "/lab", ENTRANT], salt=SALT)):
        assert tickets.redeem(ticket, NAME, ENTRANT) is None
    assert tickets.redeem(signing.dumps(["known", "/lab", ENTRANT], salt=SALT), NAME, ENTRANT)


def test_a_ticket_is_issued_only_to_the_owner(bob, stan, root, project):
    for user in (bob, stan, root):
        with pytest.raises(NotOwner):
            tickets.issue_ticket(user, project, BROWSER, ENTRANT)
    assert not Access.objects.exists()


# --- A cookie that is there already ---
def entered(user: User, project: Project, browser: str = BROWSER) -> str:
    entry = tickets.redeem(issued(user, project, browser), project.name, ENTRANT)
    assert entry
    return entry.cookie


def test_a_valid_cookie_of_the_same_browser_is_kept(ada, project):
    held = entered(ada, project)
    entry = tickets.redeem(issued(ada, project), NAME, ENTRANT, held)
    assert entry
    assert entry.cookie == held
    assert Access.objects.count() == 1


def test_any_other_cookie_is_replaced(ada, bob, project):
    """Another browser's, another notebook's, another person's, one that was never given."""
    other = Project.objects.get(name=OTHER)
    foreign = Access.objects.create(
        user=bob, project=project, browser=BROWSER, ticket="x", cookie=digest("bob's")
    )
    for held in (entered(ada, project, "another"), entered(ada, other), "bob's", "forged", ""):
        before = Access.objects.count()
        entry = tickets.redeem(issued(ada, project), NAME, ENTRANT, held)
        assert entry
        assert entry.cookie != held
        assert Access.objects.count() == before + 1
    foreign.refresh_from_db()
    assert foreign.cookie == digest("bob's")


# --- Taking it away ---
@pytest.fixture
def rights(ada, bob, project) -> None:
    other, his = Project.objects.get(name=OTHER), make_project(bob, "bob-1")
    for user, where, browser in (
        (ada, project, "one"), (ada, project, "two"), (ada, other, "one"), (bob, his, "three"),
    ):  # fmt: skip
        entered(user, where, browser)


def left() -> set[tuple[str, str]]:
    return set(Access.objects.values_list("browser", "project__name"))


def test_it_is_taken_from_a_browser_or_a_person(ada, rights):
    tickets.revoke_browser("one")
    assert left() == {("two", NAME), ("three", "bob-1")}
    tickets.revoke_user(ada)
    assert left() == {("three", "bob-1")}


def test_revoking_a_user_removes_all_their_access(ada, rights):
    tickets.revoke_user(ada)
    assert left() == {("three", "bob-1")}


@pytest.fixture
def here() -> str:
    """The key of a browser session."""
    store = SessionStore()
    store["x"] = 1
    store.save()
    return str(store.session_key)


def test_access_rows_that_can_open_nothing_are_swept(ada, project, here):
    long_ago = timezone.now() - timedelta(days=3)
    entered(ada, project, here)
    Access.objects.update(created=long_ago)
    issued(ada, project, here)
    tickets.sweep()
    assert Access.objects.count() == 2
    Access.objects.filter(cookie=None).update(created=long_ago)
    entered(ada, project, "a browser that is signed in no more")
    deleted = make_project(ada, "ada-deleted")
    entered(ada, deleted, here)
    Project.objects.filter(pk=deleted.pk).update(removed=timezone.now())
    tickets.sweep()
    assert list(Access.objects.values_list("browser", "project__name")) == [(here, NAME)]


def test_an_old_ticket_of_a_deleted_project_is_swept(ada, project, here):
    """Nobody has used it, and its notebook is deleted."""
    issued(ada, project, here)
    Access.objects.update(created=timezone.now() - timedelta(days=3))
    Project.objects.filter(pk=project.pk).update(removed=timezone.now())
    tickets.sweep()
    assert not Access.objects.exists()


# --- Where to go on to ---
@pytest.mark.parametrize(
    "path", ["/lab", "/lab/tree/a%20b", "/lab?x=1&y#z", "/", "/a//b", f"/{'x' * 3999}"]
)
def test_a_path_on_the_same_host_is_accepted(path):
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "lab", "//evil.example.org", "//", "https://evil.example.org", "/\\evil.example.org",
        "\\\\evil.example.org", "/a\nSet-Cookie: x", "/a\tb", "/a\x00", "/_bindery/enter",
        "/_bindery/enter?ticket=x", f"/{'x' * 4000}",
    ],
)  # fmt: skip
def test_an_unsafe_path_leads_to_the_default_page(ada, project, path):
    assert safe_path(path) == ""
    entry = tickets.redeem(issued(ada, project, path=path), NAME, ENTRANT)
    assert entry
    assert entry.path == "/lab"


def test_non_ascii_letters_in_a_path_are_percent_encoded():
    assert safe_path("/lab/tree/ä b") == "/lab/tree/%C3%A4%20b"


@pytest.mark.parametrize(
    ("path", "urlpath", "opens"),
    [
        ("a b.ipynb", "doc/tree", "/doc/tree/a%20b.ipynb"),
        ("a.ipynb", "tree", "/tree/a.ipynb"),
        ("", "rstudio", "/rstudio"),
        ("", "lab/tree/a.ipynb?reset", "/lab/tree/a.ipynb?reset"),
        ("", NBGITPULLER, f"/{NBGITPULLER}"),
        ("", "/evil.example", "/lab"),
        ("", "a\\b", "/lab"),
        ("", "_bindery/enter?ticket=x", "/lab"),
    ],
)
def test_a_launch_link_says_where_the_project_opens(ada, project, path, urlpath, opens):
    project.path, project.urlpath = path, urlpath
    entry = tickets.redeem(issued(ada, project), NAME, ENTRANT)
    assert entry
    assert entry.path == opens


def test_without_a_path_the_projects_file_is_opened(ada, project):
    project.path = "/notes/first steps.ipynb"
    entry = tickets.redeem(issued(ada, project), NAME, ENTRANT)
    assert entry
    assert entry.path == "/lab/tree/notes/first%20steps.ipynb"
