"""Banned and allowed repositories: what a pattern means, and that every launch is checked."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from keys.models import Token
from sessions import lifecycle
from sessions.errors import UserError
from sessions.models import Project, RepositoryRule
from sessions.models.rule import repository_location, validate_pattern
from sessions.providers import parse_repository
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
        ("ssh://git@ssh.github.com:443/evil/miner.git", "github.com/evil/miner"),
        ("ssh://git@SSH.GitHub.com.:443/evil/miner/", "github.com/evil/miner"),
        ("git@ssh.github.com:evil/miner.git", "github.com/evil/miner"),
        ("git@www.github.com:evil/miner", "github.com/evil/miner"),
        ("ssh://git@altssh.gitlab.com:443/evil/miner.git", "gitlab.com/evil/miner"),
        ("https://www.gitlab.com/evil/miner", "gitlab.com/evil/miner"),
        ("ssh://git@altssh.bitbucket.org:443/evil/miner.git", "bitbucket.org/evil/miner"),
        ("https://www.bitbucket.org/evil/miner", "bitbucket.org/evil/miner"),
        ("https://GITHUB.COM./evil/miner", "github.com/evil/miner"),
        ("https://github.com:443/evil/miner.git/", "github.com/evil/miner"),
        ("https://git.example.org/evil/miner.git.git", "git.example.org/evil/miner"),
        ("https://git.example.org/evil/miner.GIT", "git.example.org/evil/miner"),
        ("https://bücher.example/evil/miner", "xn--bcher-kva.example/evil/miner"),
        ("https://[2001:db8::0001]/evil/miner", "2001:db8::1/evil/miner"),
    ],
)
def test_every_spelling_of_a_repository_has_one_location(typed, where):
    assert repository_location(parse_repository(typed).url) == where


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
def test_a_pattern_matches_the_whole_address(pattern, matches):
    assert RepositoryRule(pattern=pattern).matches("github.com/evil/miner") is matches


@pytest.mark.parametrize("pattern", ["evil/miner", "github.com", "evil", "git hub.com/a", "/", ""])
def test_a_pattern_that_could_match_nothing_is_refused(pattern):
    with pytest.raises(ValidationError):
        validate_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "github.com./course/*",
        "ssh.github.com/course/*",
        "www.github.com/course/*",
        "https://github.com/%63ourse/*",
        "github.com//course/*",
        "git@github.com:course/lesson.git",
        "ssh://git@ssh.github.com:443/course/lesson",
        "GITHUB.com/Course/Lesson.git/",
    ],
)
@pytest.mark.parametrize("kind", ["ban", "allow"])
def test_a_pattern_may_be_written_as_a_url(pattern, kind):
    validate_pattern(pattern)
    for typed in ("course/lesson", "ssh://git@ssh.github.com:443/course/lesson.git"):
        assert RepositoryRule(kind=kind, pattern=pattern).matches(parse_repository(typed).url)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("github.com/course/*", "https://evil.example/github.com/course/x"),
        ("github.com/course/*", "https://github.com.evil.example/course/x"),
        ("github.com/course/*", "https://xgithub.com/course/x"),
        ("github.com/course/*", "https://github.com/courses/x"),
        ("github.com/course/*", "https://github.com/evil/course/x"),
        ("github.com/course/lesson", "https://github.com/course/lesson-2"),
        ("*.example.org/course/*", "https://evil.example/a.example.org/course/x"),
        ("*.example.org/course/*", "https://example.org/course/x"),
        ("*.example.org", "https://evil.example/x.example.org"),
        ("git?example.org/course/*", "https://git/example.org/course/x"),
        ("git.example.org/*/public", "https://git.example.org.evil.example/x/public"),
        ("*/course/*", "https://evil.example/x/course/y"),
        ("git.example.org:8443/course/*", "https://git.example.org/course/x"),
        ("git.example.org:8443/course/*", "https://git.example.org:9999/course/x"),
        ("github.com:443/course/*", "ssh://git@github.com/course/x"),
        ("git.example.org/course/*", "https://git.example.org/cour\u017fe/x"),
        ("git.example.org/kit/*", "https://git.example.org/\u212ait/x"),
        ("gist.github.com/course/*", "https://github.com/course/x"),
    ],
)
def test_an_allow_rule_does_not_match_other_hosts(pattern, url):
    assert not RepositoryRule(kind="allow", pattern=pattern).matches(url)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("*", "https://evil.example/x"),
        ("*.example.org", "https://git.example.org/any/thing"),
        ("*.example.org/course/*", "https://a.b.example.org/course/x/y"),
        ("git.example.org:8443/course/*", "https://git.example.org:8443/course/x"),
        ("git.example.org/course/*", "ssh://git@git.example.org:2222/course/x"),
        ("github.com:443/course/*", "ssh://git@ssh.github.com:443/course/x"),
        ("[fd00::1]/course/*", "https://[fd00::1]/course/x"),
        ("bücher.example/course/*", "https://xn--bcher-kva.example/course/x"),
    ],
)
def test_an_allow_rule_matches_every_spelling_of_its_repository(pattern, url):
    validate_pattern(pattern)
    assert RepositoryRule(kind="allow", pattern=pattern).matches(url)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("*.example.org/evil/*", "https://other.example/a.example.org/evil/x"),
        ("*/evil/*", "https://gitlab.com/group/evil/x"),
        ("*.example.org", "https://git.example.org/any/thing"),
        ("https://git.example.org:8443/evil/*", "https://git.example.org:8443/evil/x"),
        ("https://git.example.org:8443/evil/*", "ssh://git@git.example.org/evil/x"),
        ("git.example.org/evil/*", "https://git.example.org/EVIL/x"),
        ("github.com/evil/*", "ssh://git@ssh.github.com:443/evil/x"),
    ],
)
def test_a_ban_matches_as_broadly_as_possible(pattern, url):
    assert RepositoryRule(kind="ban", pattern=pattern).matches(url)


@pytest.mark.parametrize("pattern", ["github.com*", "github.com*/course/*", "git.*/x/*"])
def test_an_allow_rule_that_would_cover_strangers_hosts_is_refused(pattern):
    with pytest.raises(ValidationError, match="strangers' hosts"):
        RepositoryRule(kind="allow", pattern=pattern).full_clean()
    RepositoryRule(kind="ban", pattern=pattern).full_clean()


@pytest.mark.timeout(10)
@pytest.mark.parametrize("pattern", ["*a" * 250, "*?" * 250, "?*" * 249 + "b", "(a+)+" * 100])
def test_no_pattern_is_slow_to_match(pattern):
    for text in ("a" * 2000, "b" * 2000, "ab" * 1000):
        for _launch in range(20):
            RepositoryRule(pattern=pattern).matches(text)


def test_a_ban_refuses_the_launch_with_its_reason_and_leaves_no_row(ada, backend):
    ban("github.com/evil/*", "It mined coins.")
    with pytest.raises(UserError) as refused:
        lifecycle.launch(ada, "https://github.com/Evil/anything")
    assert refused.value.code == "launch.repository-banned"
    assert refused.value.message == "Evil/anything may not be launched here. It mined coins."
    assert not Project.objects.exists()
    lifecycle.launch(ada, "devil/anything")


def test_with_an_allow_rule_everything_else_is_refused(ada, backend):
    allow("github.com/course/*")
    with pytest.raises(UserError) as refused:
        lifecycle.launch(ada, "ada/flowers")
    assert refused.value.code == "launch.repository-not-allowed"
    lifecycle.launch(ada, "course/lesson-1")


def test_a_ban_wins_over_an_allow_rule(ada, backend):
    allow("github.com/course/*")
    ban("github.com/course/old")
    lifecycle.launch(ada, "course/new")
    with pytest.raises(UserError) as refused:
        lifecycle.launch(ada, "course/old")
    assert refused.value.code == "launch.repository-banned"


@pytest.mark.parametrize("verb", [lifecycle.start, lifecycle.rebuild])
def test_a_repository_banned_after_its_launch_does_not_restart(ada, backend, verb):
    project = project_in(ProjectState.STOPPED, ada, "evil/miner")
    ban("github.com/evil/*")
    with pytest.raises(UserError):
        verb(project, ada)
    lifecycle.delete(project, ada)


def test_the_form_shows_the_reason_of_a_ban(as_ada, backend):
    ban("github.com/evil/*", "It mined <coins>.")
    answer = as_ada.post("/launch/", {"repository": "evil/miner"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "evil/miner may not be launched here. It mined &lt;coins&gt;." in page
    assert "launch.repository-banned" in page


def test_the_api_returns_the_code_of_a_ban(ada, backend):
    ban("github.com/evil/*", "It mined coins.")
    secret = Token.objects.issue(ada, "test")[1]
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    repository = {"repository": "git@github.com:evil/miner.git"}
    answer = api.post("/api/v1/projects/", repository, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "launch.repository-banned"
    assert answer.json()["detail"].endswith("It mined coins.")
