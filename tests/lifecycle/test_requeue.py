"""A worker that was away for long comes back to one copy of each step, not to thousands."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from sessions import lifecycle
from sessions.lifecycle.queue import Requeue
from sessions.models import Build, Session
from sessions.watch.reconcile import reconcile
from tests.fixtures import long_watched

pytestmark = pytest.mark.django_db(transaction=True)


def queued() -> list[tuple[object, ...]]:
    tasks = [row.task for row in OrmQ.objects.order_by("pk")]
    return [(task["func"].rpartition(".")[2], *task["args"]) for task in tasks]


def test_the_queue_does_not_grow_while_no_worker_runs(ada, git, backend):
    for name in ("flowers", "trees"):
        lifecycle.launch(ada, git.repository(f"ada/{name}", {"index.ipynb": "{}"}))
    Session.objects.update(changed=timezone.now() - timedelta(minutes=5))
    reconcile()
    once = queued()
    for _minute in range(5):
        reconcile()
    assert queued() == once
    assert sum(step == "prepare" for step, *_rows in once) == 2


def test_a_task_that_a_worker_has_taken_is_queued_again(db):
    Requeue()("prepare", 7)
    Requeue()("prepare", 7)
    assert queued() == [("prepare", 7)]
    OrmQ.objects.update(lock=timezone.now() + timedelta(minutes=4))
    Requeue()("prepare", 7)
    assert queued() == [("prepare", 7)] * 2


def test_the_same_step_for_another_row_is_queued_too(db):
    step = Requeue()
    for row in (7, 8, 7):
        step("prepare", row)
    step("spawn", 7)
    assert queued() == [("prepare", 7), ("prepare", 8), ("spawn", 7)]


def test_a_full_queue_takes_no_more_tasks(db):
    step = Requeue(max_queued=3)
    for row in range(9):
        step("prepare", row)
    Requeue(max_queued=3)("prepare", 10)
    assert len(queued()) == 3


def test_an_unreadable_task_does_not_block_the_queue(db):
    OrmQ.objects.create(key="bindery", payload="nonsense", lock=timezone.now())
    Requeue()("prepare", 7)
    assert OrmQ.objects.count() == 2


def test_a_missing_image_is_rebuilt_at_the_next_start(ada, git, backend, bring_up, worker, watch):
    project = bring_up(lifecycle.launch(ada, git.repository("ada/gone", {"index.ipynb": "{}"})))
    lifecycle.stop(project, ada)
    worker.run()
    watch.look()
    backend.kept_images.clear()
    project.refresh_from_db()
    project = bring_up(lifecycle.start(project, ada))
    assert project.state == "ready"
    assert list(Build.objects.order_by("pk").values_list("dropped", flat=True)) == [True, False]


def test_one_failing_part_of_reconcile_does_not_stop_the_others(
    ada, git, backend, worker, watch, caplog
):
    lifecycle.launch(ada, git.repository("ada/flowers", {"index.ipynb": "{}"}))
    worker.lose()
    Session.objects.update(changed=timezone.now() - timedelta(minutes=1))
    backend.builds = None
    reconcile(long_watched())
    assert "prepare" in worker.run()
    assert "_reconcile_backend failed" in caplog.text
