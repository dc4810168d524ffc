"""A launch, step by step, and everything that a person may request on the way."""

from __future__ import annotations

import pytest

from sessions import lifecycle
from sessions.backends import Problem
from sessions.errors import QuotaExceeded, StateConflict, TemporaryError, UserError
from sessions.models import Build, Event, Project, Session, Transition

pytestmark = pytest.mark.django_db(transaction=True)


def phases(project: Project) -> list[str]:
    return list(project.events.values_list("phase", flat=True))


def test_a_launch_ends_in_a_running_notebook(ada, url, git, backend, bring_up):
    project = bring_up(lifecycle.launch(ada, url))
    assert project.state == "ready"
    assert project.commit == git.commit("ada/flowers")
    assert project.current.address == f"unix:/run/{project.current.pk}"
    assert phases(project) == ["waiting", "fetching", "built", "launching", "ready"]
    assert backend.builds_started == 1
    assert list(backend.server_reports) == [project.current.pk]
    assert backend.build_reports == {}


def test_every_change_of_state_is_recorded(ada, url, bring_up):
    project = bring_up(lifecycle.launch(ada, url))
    changes = Transition.objects.order_by("pk")
    of_session = changes.filter(session=project.current)
    of_build = changes.filter(build=project.current.build)
    assert list(of_session.values_list("after", flat=True)) == ["spawning", "ready"]
    assert list(of_build.values_list("after", "by")) == [("building", "worker"), ("built", "watch")]


def test_two_launches_of_a_commit_share_one_build(ada, bob, url, backend, worker, watch):
    projects = [lifecycle.launch(user, url) for user in (ada, bob)]
    worker.run()
    build = Build.objects.get()
    backend.say(build.pk, "installing")
    backend.finish(build.pk)
    watch.look()
    worker.run()
    assert backend.builds_started == 1
    for project in projects:
        assert Project.objects.get(pk=project.pk).state == "spawning"
    assert {spec.owner for spec in backend.started_servers.values()} == {"ada", "bob"}


def test_a_second_launch_of_a_built_commit_builds_nothing(ada, bob, url, backend, bring_up):
    bring_up(lifecycle.launch(ada, url))
    project = bring_up(lifecycle.launch(bob, url))
    assert project.state == "ready"
    assert backend.builds_started == 1


def test_a_missing_image_is_rebuilt(ada, bob, url, backend, bring_up):
    bring_up(lifecycle.launch(ada, url))
    backend.kept_images.clear()
    assert bring_up(lifecycle.launch(bob, url)).state == "ready"
    assert backend.builds_started == 2


def test_stopping_and_starting_again_needs_no_build(ada, url, backend, worker, watch, bring_up):
    project = bring_up(lifecycle.launch(ada, url))
    lifecycle.stop(project, ada)
    assert Project.objects.get().state == "stopping"
    worker.run()
    watch.look()
    assert Project.objects.get().state == "stopped"
    assert backend.server_reports == {}
    project = bring_up(lifecycle.start(Project.objects.get(), ada))
    assert project.state == "ready"
    assert backend.builds_started == 1
    assert Session.objects.count() == 2


def test_a_rebuild_uses_the_branchs_current_commit(ada, url, git, backend, worker, watch, bring_up):
    project = bring_up(lifecycle.launch(ada, url))
    first = project.commit
    lifecycle.stop(project, ada)
    worker.run()
    watch.look()
    git.repository("ada/flowers", {"index.ipynb": '{"new": 1}'})
    project = bring_up(lifecycle.rebuild(Project.objects.get(), ada))
    assert project.state == "ready"
    assert project.commit != first
    assert backend.builds_started == 2


def test_a_failed_build_fails_every_waiting_launch(ada, bob, url, backend, worker, watch):
    for user in (ada, bob):
        lifecycle.launch(user, url)
    worker.run()
    build = Build.objects.get()
    backend.finish(build.pk, "build.requirements", "nonsense==1 cannot be installed.")
    watch.look()
    for project in Project.objects.select_related("current"):
        assert project.state == "failed"
        assert project.current.code == "build.requirements"
        event = project.events.last()
        assert (event.phase, event.message) == ("failed", "nonsense==1 cannot be installed.")


def test_cancelling_the_only_launch_ends_the_build(ada, url, backend, worker, watch):
    project = lifecycle.launch(ada, url)
    worker.run()
    lifecycle.cancel(Project.objects.get(), ada)
    worker.run()
    watch.look()
    assert Build.objects.get().state == "cancelled"
    assert Project.objects.get(pk=project.pk).state == "stopped"
    assert backend.build_reports == {}


def test_cancelling_one_of_two_launches_keeps_the_build_running(
    ada, bob, url, backend, worker, watch
):
    mine, other = lifecycle.launch(ada, url), lifecycle.launch(bob, url)
    worker.run()
    lifecycle.cancel(Project.objects.get(pk=mine.pk), ada)
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    assert Project.objects.get(pk=mine.pk).state == "stopped"
    assert Project.objects.get(pk=other.pk).state == "spawning"


def test_a_running_notebook_cannot_be_cancelled_started_or_rebuilt(ada, url, bring_up):
    project = bring_up(lifecycle.launch(ada, url))
    for verb in (lifecycle.cancel, lifecycle.start, lifecycle.rebuild):
        with pytest.raises(StateConflict):
            verb(Project.objects.get(pk=project.pk), ada)
    assert Session.objects.count() == 1


def test_a_stopped_project_cannot_be_stopped_again(ada, url, worker, watch):
    project = lifecycle.launch(ada, url)
    lifecycle.stop(project, ada)
    with pytest.raises(StateConflict):
        lifecycle.stop(Project.objects.get(), ada)


def test_a_deleted_project_is_stopped_and_removed(ada, url, backend, worker, watch, bring_up):
    project = bring_up(lifecycle.launch(ada, url))
    lifecycle.delete(project, ada, for_good=True)
    assert not Project.objects.visible_to(ada).exists()
    worker.run()
    watch.look()
    worker.run()
    assert backend.server_reports == {}
    assert backend.projects() == []
    assert Session.objects.get().state == "stopped"


def test_a_sixth_project_is_refused_and_leaves_no_row(ada, bob, url, backend):
    names = {lifecycle.launch(ada, url).name for _ in range(5)}
    with pytest.raises(QuotaExceeded) as refusal:
        lifecycle.launch(ada, url)
    assert refusal.value.code == "quota.projects"
    assert {project["name"] for project in refusal.value.details["projects"]} == names
    assert Project.objects.count() == 5
    lifecycle.launch(bob, url)
    lifecycle.delete(Project.objects.filter(owner=ada)[0], ada)
    lifecycle.launch(ada, url)


def test_an_invalid_repository_is_refused_and_leaves_no_row(ada, backend):
    with pytest.raises(UserError):
        lifecycle.launch(ada, "--upload-pack=touch /tmp/x")
    assert not Project.objects.exists()
    assert not Event.objects.exists()


def test_nothing_is_launched_when_the_back_end_has_a_problem(ada, url, backend):
    backend.troubles = [Problem("local.no-sandbox", "There is no sandbox.", "Install it.")]
    with pytest.raises(TemporaryError) as refusal:
        lifecycle.launch(ada, url)
    assert refusal.value.code == "local.no-sandbox"
    assert not Project.objects.exists()


def test_a_missing_ref_fails_the_launch_with_a_message(ada, url, backend, worker):
    project = lifecycle.launch(ada, url, ref="no-such-branch")
    worker.run()
    project = Project.objects.get(pk=project.pk)
    assert project.state == "failed"
    assert project.current.code == "launch.ref-not-found"
    assert "main" in project.current.message
    assert not Build.objects.exists()


def test_an_unreachable_host_is_tried_three_times(ada, git, backend, worker, settings):
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["127.0.0.1"]
    project = lifecycle.launch(ada, "http://127.0.0.1:9/ada/flowers")
    for _time in range(2):  # the worker runs each task twice, so two rounds are more than three
        worker.run()
        from sessions.lifecycle import builds

        builds.prepare(project.current.pk)
    project = Project.objects.get(pk=project.pk)
    assert project.state == "failed"
    assert project.current.code == "launch.host-unreachable"
    assert phases(project) == ["waiting", "waiting", "waiting", "failed"]


def test_a_lost_build_is_restarted(ada, url, backend, worker, watch):
    lifecycle.launch(ada, url)
    worker.run()
    build = Build.objects.get()
    backend.say(build.pk, "first try")
    backend.finish(build.pk, "build.lost", "It vanished.")
    watch.look()
    worker.run()
    assert backend.builds_started == 2
    assert Build.objects.get().state == "building"
    backend.say(build.pk, "second try")
    backend.finish(build.pk)
    watch.look()
    assert list(build.log.values_list("text", flat=True)) == ["first try", "second try"]
    assert Build.objects.get().state == "built"


def test_a_notebook_that_vanishes_fails_with_the_reason(ada, url, backend, watch, bring_up):
    project = bring_up(lifecycle.launch(ada, url))
    backend.vanish(project.current.pk, "spawn.out-of-memory", "It used more than 16 GB.")
    watch.look()
    project = Project.objects.get()
    assert (project.state, project.current.code) == ("failed", "spawn.out-of-memory")
    assert backend.server_reports == {}


def test_stopping_a_starting_notebook_leaves_none_running(ada, url, backend, worker, watch):
    lifecycle.launch(ada, url)
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    lifecycle.stop(Project.objects.get(), ada)
    worker.run()
    watch.look()
    assert Project.objects.get().state == "stopped"
    assert backend.server_reports == {}
