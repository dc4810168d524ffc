"""Unused images are removed by age and by size, least recently used first; those in use stay."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from portal.privacy import erase
from sessions import lifecycle, retention
from sessions.errors import NotAllowed, TemporaryError
from sessions.lifecycle import builds
from sessions.models import Build, Condition, Project, Removal, RemovalKind, Session
from sessions.retention import images

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timedelta(days=31)
KEEPS = NotAllowed("registry.keeps-images", "The registry removes nothing.")


@pytest.fixture
def launched(ada, git, bring_up):
    """Return a function that makes a running project of ada's, from a repository of its own."""

    def up(name: str = "ada/one") -> Project:
        return bring_up(lifecycle.launch(ada, git.repository(name, {"index.ipynb": name})))

    return up


@pytest.fixture
def stopped(launched, worker, watch):
    def down(name: str = "ada/one") -> Build:
        project = launched(name)
        lifecycle.stop(project, project.owner)
        worker.run()
        watch.look()
        return Build.objects.get(url=project.url)

    return down


def age(*builds: Build, by: timedelta = LONG_AGO) -> None:
    Build.objects.filter(pk__in=[build.pk for build in builds]).update(used=timezone.now() - by)


def gone() -> set[str]:
    return set(Removal.objects.filter(kind=RemovalKind.IMAGE).values_list("name", flat=True))


def test_an_image_unused_for_long_is_removed_with_a_reason(stopped, backend):
    old, young = stopped("ada/old"), stopped("ada/young")
    age(old)
    retention.tidy()
    assert list(backend.kept_images) == [young.image]
    removal = Removal.objects.get(kind=RemovalKind.IMAGE)
    assert removal.name == old.image
    assert removal.why == "Nobody had used it for 30 days."
    old.refresh_from_db()
    assert (old.dropped, old.size) == (True, 0)


def test_a_project_whose_image_was_removed_is_rebuilt(stopped, backend, bring_up, ada):
    age(stopped())
    retention.tidy()
    project = bring_up(lifecycle.start(Project.objects.get(), ada))
    assert project.state == "ready"
    assert backend.builds_started == 2


def test_the_image_of_a_running_notebook_stays(launched, backend):
    age(launched().current.build)
    retention.tidy()
    assert len(backend.kept_images) == 1


def test_an_image_released_just_now_stays(launched, backend, worker, watch):
    project = launched()
    age(project.current.build)
    lifecycle.stop(project, project.owner)
    worker.run()
    watch.look()
    retention.tidy()
    assert len(backend.kept_images) == 1


def test_without_an_age_limit_no_image_is_removed(stopped, backend, settings):
    settings.PORTAL_KEEP_IMAGE_DAYS = 0
    age(stopped(), by=timedelta(days=3000))
    retention.tidy()
    assert len(backend.kept_images) == 1


def test_images_over_the_total_size_are_removed_oldest_use_first(stopped, backend, settings):
    settings.PORTAL_KEEP_IMAGES_GB = 2
    builds = [stopped(f"ada/{number}") for number in range(4)]
    age(builds[3], by=timedelta(days=2))
    age(builds[1], by=timedelta(days=1))
    retention.tidy()  # learns their sizes, 1 GB each
    retention.tidy()
    assert gone() == {builds[3].image, builds[1].image}
    retention.tidy()
    assert len(backend.kept_images) == 2


def test_an_image_that_a_launch_has_taken_is_not_removed(stopped, backend, ada, worker):
    build = stopped()
    age(build)
    build.refresh_from_db()
    lifecycle.start(Project.objects.get(), ada)
    builds.prepare(Session.objects.latest("pk").pk)
    assert not images.drop(build, "late")
    assert len(backend.kept_images) == 1


def test_a_launch_after_the_removal_rebuilds_the_image(stopped, backend, ada, worker):
    build = stopped()
    lifecycle.start(Project.objects.get(), ada)
    assert images.drop(build, "first")
    worker.run()
    assert Project.objects.get().state == "building"


def test_an_interrupted_removal_is_retried(stopped, backend):
    build = stopped()
    age(build)
    backend.keeps_images = TemporaryError("registry.unreachable", "It is away.")
    retention.tidy()
    build.refresh_from_db()
    assert build.dropped
    assert not gone()
    backend.keeps_images = None
    for _time in range(2):
        retention.tidy()
    assert backend.kept_images == {}
    assert Removal.objects.filter(kind=RemovalKind.IMAGE).count() == 1


def test_a_registry_without_deletion_keeps_images_and_sets_a_condition_once(stopped, backend):
    build = stopped()
    age(build, stopped("ada/other"))
    backend.keeps_images = KEEPS
    for _time in range(2):
        retention.tidy()
    assert not Build.objects.filter(dropped=True).exists()
    since = Condition.objects.get(part="images", problem=KEEPS.code).since
    retention.tidy()
    assert Condition.objects.get(part="images").since == since
    backend.keeps_images = None
    retention.tidy()
    assert Condition.objects.get(part="images").problem == ""
    assert len(gone()) == 2


def test_private_images_of_an_erased_person_are_removed_and_anonymized(
    stopped, backend, worker, ada, root
):
    private, other = stopped("ada/diary"), stopped("ada/public")
    Build.objects.filter(pk=private.pk).update(owner=ada)
    Removal.objects.create(kind=RemovalKind.IMAGE, name=private.image, why="Some time ago.")
    retention.tidy()
    erase.erase(ada, root)
    worker.run()
    erase.finish()
    assert retention.is_due()
    retention.tidy()
    assert list(backend.kept_images) == [other.image]
    assert gone() == {f"erased-{ada.pk}"}
    assert Build.objects.get(pk=private.pk).image == ""


def test_a_concurrent_launch_and_removal_leave_a_startable_notebook(stopped, backend, ada, worker):
    for number in range(4):
        build = stopped(f"ada/{number}")
        project = Project.objects.get(url=build.url)
        session = lifecycle.start(project, ada).current
        both = [partial(builds.prepare, session.pk), partial(images.drop, build, "")]
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(_apart, both))
        has = Session.objects.select_related("build").get(pk=session.pk).build
        assert has is not None
        is_there = has.image in backend.kept_images and not has.dropped
        assert (has.pk == build.pk and is_there) or has.state == "pending"


def _apart(call: Callable[[], object]) -> None:
    """Call in a thread, with a connection of its own."""
    try:
        call()
    finally:
        connection.close()


def test_an_image_without_a_build_row_is_removed(stopped, backend):
    kept = stopped()
    backend.kept_images["nobodys"] = 5
    retention.tidy()
    assert list(backend.kept_images) == [kept.image]
    assert Removal.objects.get().kind == RemovalKind.LEFTOVER


def test_the_next_pass_is_due_in_an_hour_or_at_once_if_unfinished(backend):
    retention.tidy(max_seconds=0)
    assert retention.is_due()
    retention.tidy()
    assert not retention.is_due()
    retention.run_soon()
    assert retention.is_due()
