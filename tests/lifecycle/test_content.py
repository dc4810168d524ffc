"""A second repository for the content: found anew at each start, under the rules of the first."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from keys.keypairs import identity_of
from sessions import lifecycle
from sessions.backends import ContentSpec, FilesReport, ServerReport
from sessions.errors import UserError
from sessions.gateway import tickets
from sessions.lifecycle import observations
from sessions.models import Build, Event, Project, RepositoryRule
from sessions.states import ProjectState
from tests.githttp import GitServer
from tests.sshd import SshServer

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def env(git: GitServer) -> str:
    return git.repository("ada/env", {"requirements.txt": "", ".resources": "cpur=0.5\n"})


@pytest.fixture
def course(git: GitServer) -> str:
    return git.repository("ada/course", {"a.ipynb": "{}", ".resources": "gpu=8\n"})


def again(project: Project) -> Project:
    return Project.objects.select_related("owner", "current__build").get(pk=project.pk)


def restarted(project: Project, worker, watch, backend) -> Project:
    """Stop and start the project, as far as its build goes."""
    lifecycle.stop(again(project), project.owner)
    worker.run()
    watch.look()
    worker.run()
    assert again(project).state == ProjectState.STOPPED
    lifecycle.start(again(project), project.owner)
    worker.run()
    return again(project)


def messages(project: Project) -> str:
    return " ".join(Event.objects.filter(project=project).values_list("message", flat=True))


def test_the_environment_is_one_repositorys_and_the_files_are_the_others(
    git, ada, backend, worker, bring_up, watch, env, course
):
    project = bring_up(lifecycle.launch(ada, env, content=f"{course}@main", path="a.ipynb"))
    first = git.commit("ada/course")
    assert (project.commit, project.content_commit) == (git.commit("ada/env"), first)
    assert project.current.cpu_request == 0.5, "the environment's .resources count"
    spec = backend.started_servers[project.current.pk]
    assert (spec.url, spec.content) == (env, ContentSpec(course, first, "main", "course"))
    assert Build.objects.get().url == env
    git.repository("ada/course", {"b.ipynb": "{}"})
    project = restarted(project, worker, watch, backend)
    assert project.content_commit == git.commit("ada/course") != first
    spec = backend.started_servers[project.current.pk]
    assert spec.content.commit == project.content_commit
    assert Build.objects.count() == 1


def test_content_that_cannot_be_had_fails_the_first_start_and_no_later_one(
    git, ada, backend, worker, bring_up, watch, env, course
):
    project = lifecycle.launch(ada, env, content=f"{course}@absent")
    worker.run()
    failed = again(project).current
    assert failed.code == "launch.content-ref-not-found"
    assert failed.message.startswith(f"The content, {course}: ")
    project = bring_up(lifecycle.launch(ada, env, content=course))
    commit = project.content_commit
    git.repository("ada/course", {"b.ipynb": "{}"}, branch="other")
    Project.objects.filter(pk=project.pk).update(content_ref="gone")
    project = restarted(project, worker, watch, backend)
    assert (project.state, project.content_commit) == (ProjectState.SPAWNING, commit)
    assert f"The content, {course}: " in messages(project)


def test_a_ban_covers_the_content_at_the_launch_and_at_each_start(
    ada, backend, worker, bring_up, watch, env, course
):
    project = bring_up(lifecycle.launch(ada, env, content=course))
    lifecycle.stop(project, ada)
    worker.run()
    watch.look()
    location = course.partition("://")[2]
    RepositoryRule.objects.create(pattern=location, reason="It mines.")
    for attempt in (
        lambda: lifecycle.launch(ada, env, content=course),
        lambda: lifecycle.start(again(project), ada),
    ):
        with pytest.raises(UserError) as refused:
            attempt()
        assert refused.value.code == "launch.repository-banned"
        assert "It mines." in refused.value.message
    link = pull_link(env, course)
    worker.run()
    project = bring_up(lifecycle.launch(ada, link))
    assert backend.started_servers[project.current.pk].content is None, "nbgitpuller may have it"


def test_private_content_is_fetched_with_its_owners_key_and_seen_by_nobody_else(
    ada, bob, backend, worker, env, settings
):
    with SshServer() as sshd:
        settings.PORTAL_TRUSTED_GIT_HOSTS = [*settings.PORTAL_TRUSTED_GIT_HOSTS, sshd.host]
        sshd.repository("ada/diary", {"index.ipynb": "{}"})
        project = lifecycle.launch(ada, env, content=sshd.url("ada/diary"))
        worker.run()
        assert again(project).current.code == "launch.key-not-accepted"
        sshd.allow(identity_of(ada).public, "ada/diary")
        lifecycle.start(again(project), ada)
        worker.run()
    project = again(project)
    assert project.content_commit
    assert Build.objects.get().owner is None, "the environment is public"
    assert project.shows_log_to(ada)
    assert not project.shows_log_to(bob)


def pull_link(env: str, course: str) -> str:
    shown = quote("lab/tree/course/a.ipynb", safe="")
    urlpath = f"git-pull?repo={quote(course, safe='')}&branch=main&urlpath={shown}"
    return f"/v2/git/{quote(env, safe='')}/main?urlpath={quote(urlpath, safe='')}"


def is_ready(project: Project, *, has_content: bool) -> Project:
    """Report the notebook as ready, with the content's files or without."""
    report = FilesReport(has_content=has_content)
    ready = ServerReport(project.current.pk, project.name, "ready", "unix:/x", files=report)
    observations.handle_server_report(ready)
    return again(project)


@pytest.mark.parametrize("has_puller", [True, False])
def test_nbgitpullers_link_stays_where_that_is_and_opens_the_content_where_not(
    ada, backend, worker, watch, env, course, has_puller
):
    project = lifecycle.launch(ada, pull_link(env, course))
    worker.run()
    backend.finish(again(project).current.build_id)
    watch.look()
    worker.run()
    project = again(project)
    spec = backend.started_servers[project.current.pk]
    assert spec.content
    assert (spec.content.folder, spec.content.unless_puller) == ("course", True)
    project = is_ready(project, has_content=not has_puller)
    place = tickets._own_path(project)
    if has_puller:
        assert place.startswith("/git-pull?repo=")
    else:
        assert (place, project.urlpath) == ("/lab/tree/course/a.ipynb", "")


@pytest.mark.parametrize(
    ("path", "urlpath", "place"),
    [
        ("", "", "/lab/tree/course"),
        ("w/a b.ipynb", "", "/lab/tree/course/w/a%20b.ipynb"),
        ("a.ipynb", "doc/tree", "/doc/tree/course/a.ipynb"),
        ("", "rstudio", "/rstudio"),
    ],
)
def test_the_notebook_opens_in_the_contents_folder(ada, path, urlpath, place):
    url = "https://git.example.org/ada/course"
    project = Project(owner=ada, url="u", content_url=url, path=path, urlpath=urlpath)
    assert tickets._own_path(project) == place
