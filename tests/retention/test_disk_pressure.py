"""A nearly full disk: builds wait, unused images are removed, and then builds continue."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.utils import timezone

from sessions import capacity, lifecycle, retention
from sessions.backends import Capacity
from sessions.models import Build, Project, Removal, Session
from sessions.watch.reconcile import STALE_AFTER, reconcile

pytestmark = pytest.mark.django_db(transaction=True)

ROOMY = Capacity(cpu=16, memory_gb=64, gpu=2, disk_gb=100, disk_free_gb=50)


@pytest.fixture
def disk(backend):
    """Return a function that sets how much disk is free, as watch would see it."""

    def free(gb: float | None, disk_gb: float | None = 100) -> None:
        backend.there_is = replace(ROOMY, disk_gb=disk_gb, disk_free_gb=gb)
        capacity.refresh()

    return free


@pytest.fixture
def url(git) -> str:
    return git.repository("ada/pressed", {"index.ipynb": "{}"})


def stopped(project: Project, worker, watch) -> None:
    lifecycle.stop(project, project.owner)
    worker.run()
    watch.look()


@pytest.mark.parametrize(("disk_gb", "bound"), [(40, 2), (100, 5), (4000, 5), (None, 5)], ids=str)
def test_the_free_space_bound_is_a_capped_share_of_the_disk(disk_gb, bound):
    assert capacity.min_free_gb(disk_gb) == bound


def test_the_setting_overrides_the_default_bound(settings):
    settings.PORTAL_MIN_FREE_GB = 50
    assert capacity.min_free_gb(100) == 50


def test_an_unmeasured_disk_is_never_nearly_full(disk):
    assert not capacity.is_disk_nearly_full()
    disk(None, None)
    assert not capacity.is_disk_nearly_full()


def test_a_build_waits_with_one_event_and_resumes_when_space_is_free(
    ada, url, backend, disk, worker
):
    disk(1)
    lifecycle.launch(ada, url)
    worker.run()
    reconcile()
    project = Project.objects.get()
    assert (project.state, project.current.code) == ("waiting", "build.no-space")
    assert project.events.filter(code="build.no-space").count() == 1
    assert not Build.objects.exists()
    disk(50)
    Session.objects.update(changed=timezone.now() - 2 * STALE_AFTER)
    reconcile()
    worker.run()
    assert Project.objects.get().state == "building"
    assert Project.objects.get().current.code == ""


def test_an_image_that_is_already_built_starts_on_a_full_disk(
    ada, bob, url, backend, disk, bring_up
):
    bring_up(lifecycle.launch(ada, url))
    disk(1)
    assert bring_up(lifecycle.launch(bob, url)).state == "ready"


def test_least_recently_used_images_are_removed_until_there_is_room(
    ada, git, backend, disk, worker, watch, bring_up
):
    for number in range(3):
        files = {"index.ipynb": f"{number}"}
        project = bring_up(lifecycle.launch(ada, git.repository(f"ada/{number}", files)))
        stopped(project, worker, watch)
    oldest, second, newest = Build.objects.order_by("used")
    disk(3.5)  # an image gives back one
    retention.free_disk_space()
    assert list(backend.kept_images) == [newest.image]
    assert list(Build.objects.filter(dropped=True).order_by("pk")) == [oldest, second]
    assert {removal.name for removal in Removal.objects.all()} == {oldest.image, second.image}
    assert "disk was nearly full" in Removal.objects.first().why


def test_an_image_in_use_stays_on_a_full_disk(ada, url, backend, disk, bring_up):
    bring_up(lifecycle.launch(ada, url))
    disk(0)
    retention.free_disk_space()
    assert len(backend.kept_images) == 1
    assert not Removal.objects.exists()


def test_no_image_is_removed_if_the_disk_size_is_unknown(
    ada, url, backend, disk, worker, watch, bring_up
):
    stopped(bring_up(lifecycle.launch(ada, url)), worker, watch)
    disk(0, None)
    assert capacity.is_disk_nearly_full()
    retention.free_disk_space()
    assert len(backend.kept_images) == 1


def test_reconcile_queues_the_removal_of_images(backend, disk, worker):
    disk(1)
    reconcile()
    assert "relieve" in worker.run()
