"""Ownership of builds: everybody's, or for a private repository the person's who fetched it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keys.keypairs import identity_of
from portal.models import User
from sessions import lifecycle
from sessions.lifecycle import admission, steps
from sessions.models import Build, Project
from tests.sshd import SshServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sshd(settings) -> Iterator[SshServer]:
    with SshServer() as server:
        settings.PORTAL_TRUSTED_GIT_HOSTS = [server.host]
        server.repository("ada/diary", {"index.ipynb": "{}", ".resources": "cpur=0.5\n"})
        yield server


def let_in(sshd: SshServer, *people: User) -> None:
    for user in people:
        sshd.allow(identity_of(user).public, "ada/diary")


def launched(sshd: SshServer, user: User, worker, ref: str = "") -> Project:
    project = lifecycle.launch(user, sshd.url("ada/diary"), ref)
    worker.run()
    return Project.objects.select_related("current__build", "owner").get(pk=project.pk)


def test_a_build_of_a_private_repository_belongs_to_its_person(sshd, ada, backend, worker):
    let_in(sshd, ada)
    launched(sshd, ada, worker)
    build = Build.objects.get()
    assert build.owner == ada
    assert build.resources == "cpur=0.5\n"
    spec = backend.started_builds[build.pk]
    assert spec.identity == identity_of(ada)
    assert identity_of(ada).private not in repr(spec)
    assert sshd.host_key in spec.identity.known_hosts


def test_a_build_of_a_public_repository_has_no_owner_and_no_key(git, ada, backend, worker):
    lifecycle.launch(ada, git.repository("ada/open", {"index.ipynb": "{}"}))
    worker.run()
    build = Build.objects.get()
    assert build.owner is None
    assert backend.started_builds[build.pk].identity is None


def test_two_people_at_one_private_commit_get_separate_builds(
    sshd, ada, bob, backend, worker, bring_up
):
    let_in(sshd, ada, bob)
    bring_up(launched(sshd, ada, worker))
    launched(sshd, bob, worker)
    assert {build.owner for build in Build.objects.all()} == {ada, bob}
    assert len({build.image for build in Build.objects.all()}) == 2


def test_ones_own_private_build_is_reused(sshd, ada, backend, worker, bring_up):
    let_in(sshd, ada)
    bring_up(launched(sshd, ada, worker))
    launched(sshd, ada, worker)
    assert Build.objects.count() == 1


def test_a_person_without_access_learns_nothing_from_stored_builds(
    sshd, ada, bob, backend, worker, bring_up
):
    let_in(sshd, ada)
    hers = bring_up(launched(sshd, ada, worker))
    project = launched(sshd, bob, worker, ref=hers.commit)
    assert (project.state, project.current.code) == ("failed", "launch.key-not-accepted")
    assert project.current.build is None
    assert admission.stored_contents(hers, hers.commit).resources == "cpur=0.5\n"
    Project.objects.filter(pk=project.pk).update(commit=hers.commit)
    project.refresh_from_db()
    assert admission.stored_contents(project, hers.commit) is None
    assert Build.objects.newest_built(project, hers.commit) is None


def test_an_older_private_build_without_an_owner_is_not_used(sshd, ada, backend, worker):
    let_in(sshd, ada)
    commit = sshd.git.commit("ada/diary")
    Build.objects.create(url=sshd.url("ada/diary"), commit=commit, image="old", state="built")
    backend.kept_images["old"] = None
    assert launched(sshd, ada, worker).current.build.owner == ada


def test_a_lost_build_is_restarted_with_the_current_key(sshd, ada, backend, worker):
    let_in(sshd, ada)
    launched(sshd, ada, worker)
    build = Build.objects.get()
    first = backend.started_builds.pop(build.pk)
    backend.build_reports.clear()
    steps.start_build(build.pk)
    assert backend.started_builds[build.pk] == first


def test_a_changed_host_key_fails_the_launch_without_retries(sshd, ada, backend, worker, settings):
    let_in(sshd, ada)
    settings.PORTAL_KNOWN_HOSTS = sshd.host_key[:-6] + "AAAAAA"
    project = launched(sshd, ada, worker)
    assert (project.state, project.current.code) == ("failed", "launch.host-key-changed")
    assert project.current.attempts == 0


def test_the_project_page_shows_the_key_to_add_only_to_its_owner(
    sshd, bob, as_bob, as_vera, backend, worker
):
    project = launched(sshd, bob, worker)
    page = as_bob.get(f"/projects/{project.name}/").content.decode()
    assert identity_of(bob).public in page
    assert "does not accept your SSH key" in page
    assert identity_of(bob).public not in as_vera.get(f"/projects/{project.name}/").content.decode()
