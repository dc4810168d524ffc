"""Banned and allowed repositories: what a pattern means, and that every launch is asked."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from keys.models import Token
from sessions import lifecycle
from sessions.errors import UserError
from sessions.models import Project, RepositoryRule
from sessions.models.rule import is_pattern, place
from sessions.providers import understand
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def ban(pattern: str, reason: str = "") -> RepositoryRule:
    return RepositoryRule.objects.create(kind="ban", pattern=pattern, reason=reason)


def allow(pattern: str) -> RepositoryRule:
    return RepositoryRule.objects.create(kind="allow", pattern=pattern)


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        ("evil/miner", "github.com/evil/miner"),
        ("https://github.com/evil/miner.git", "github.com/evil/miner"),
        ("https://www.github.com/evil/miner/tree/main", "github.com/evil/miner"),
        ("git@github.com:evil/miner.git", "github.com/evil/miner"),
        ("https://gitlab.com/evil/deep/miner", "gitlab.com/evil/deep/miner"),
        ("https://git.example.org/evil/miner.git", "git.example.org/evil/miner"),
        ("https://git.example.org:8443/evil//miner/", "git.example.org/evil/miner"),
        ("ssh://somebody@GIT.example.org:22/evil/miner", "git.example.org/evil/miner"),
        ("git@git.example.org:evil/miner", "git.example.org/evil/miner"),
        ("https://git.example.org/%65vil/miner", "git.example.org/evil/miner"),
    ],
)
def test_a_repository_has_one_place_however_it_is_written(typed, where):
    assert place(understand(typed).url) == where


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("github.com/evil/miner", True),
        ("GitHub.com/EVIL/Miner", True),
        ("https://github.com/evil/miner.git", True),
        ("git@github.com/evil/miner/", True),
        ("github.com/evil/*", True),
        ("*/evil/*", True),
        ("github.com/*/miner", True),
        ("github.com/ev?l/m*r", True),
        ("*", True),
        ("github.com/evil", False),
        ("github.com/evil/mine", False),
        ("github.com/vil/*", False),
        ("ithub.com/evil/*", False),
        ("github.com/evil/miner/*", False),
        ("github?com/evil/miner", True),
        ("githubxcom/evil/miner", False),
        ("github.com/e.il/miner", False),
        ("github.com/ev?il/miner", False),
        ("github.com/[e]vil/miner", False),
        ("github.com/(evil|x)/.*", False),
        ("*miner*miner", False),
        ("github.com/*evil*miner*", True),
    ],
)
def test_a_pattern_is_for_the_whole_address(pattern, matches):
    assert RepositoryRule(pattern=pattern).matches("github.com/evil/miner") is matches


@pytest.mark.parametrize("pattern", ["evil/miner", "github.com", "evil", "git hub.com/a", "/", ""])
def test_a_pattern_that_could_match_nothing_is_refused(pattern):
    with pytest.raises(ValidationError):
        is_pattern(pattern)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("pattern", ["*a" * 250, "*?" * 250, "?*" * 249 + "b", "(a+)+" * 100])
def test_no_pattern_holds_up_a_launch(pattern):
    for text in ("a" * 2000, "b" * 2000, "ab" * 1000):
        for _launch in range(20):
            RepositoryRule(pattern=pattern).matches(text)


def test_a_ban_refuses_with_its_reason_and_leaves_nothing(ada, backend):
    ban("github.com/evil/*", "It mined coins.")
    with pytest.raises(UserError) as refused:
        lifecycle.launch(ada, "https://github.com/Evil/anything")
    assert refused.value.code == "launch.repository-banned"
    assert refused.value.message == "Evil/anything may not be launched here. It mined coins."
    assert not Project.objects.exists()
    lifecycle.launch(ada, "devil/anything")


def test_where_something_is_allowed_all_else_is_not(ada, backend):
    allow("github.com/course/*")
    with pytest.raises(UserError) as refused:
        lifecycle.launch(ada, "ada/flowers")
    assert refused.value.code == "launch.repository-not-allowed"
    lifecycle.launch(ada, "course/lesson-1")


def test_a_ban_wins_over_what_is_allowed(ada, backend):
    allow("github.com/course/*")
    ban("github.com/course/old")
    lifecycle.launch(ada, "course/new")
    with pytest.raises(UserError) as refused:
        lifecycle.launch(ada, "course/old")
    assert refused.value.code == "launch.repository-banned"


@pytest.mark.parametrize("verb", [lifecycle.start, lifecycle.rebuild])
def test_what_was_banned_meanwhile_does_not_start_again(ada, backend, verb):
    project = project_in(ProjectState.STOPPED, ada, "evil/miner")
    ban("github.com/evil/*")
    with pytest.raises(UserError):
        verb(project, ada)
    lifecycle.delete(project, ada)


def test_the_page_says_so_under_the_field(as_ada, backend):
    ban("github.com/evil/*", "It mined <coins>.")
    answer = as_ada.post("/launch/", {"repository": "evil/miner"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "evil/miner may not be launched here. It mined &lt;coins&gt;." in page
    assert "launch.repository-banned" in page


def test_the_api_says_so_with_a_code(ada, backend):
    ban("github.com/evil/*", "It mined coins.")
    secret = Token.objects.issue(ada, "test")[1]
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    wish = {"repository": "git@github.com:evil/miner.git"}
    answer = api.post("/api/v1/projects/", wish, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "launch.repository-banned"
    assert answer.json()["detail"].endswith("It mined coins.")
