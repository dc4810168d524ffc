"""Counters count each event once, whatever happens to the process that counts and to the rows."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from sessions.models import Build, Removal, Session, Tally, Transition
from sessions.states import BuildState, SessionState
from sessions.statistics import counters
from tests.past_sessions import ran

pytestmark = pytest.mark.django_db(transaction=True)


def value(metric: str, labels: str) -> float:
    return sum(Tally.objects.filter(metric=metric, labels=labels).values_list("value", flat=True))


def launches() -> dict[str, float]:
    rows = Tally.objects.filter(metric="launches").values_list("labels", "value")
    return {labels.split('"')[1]: value for labels, value in rows}


def waiting(owner: Any, seconds: int = 0) -> Session:
    """Return a session that has been waiting for this long."""
    session = ran(owner, None, None, state="waiting")
    created = timezone.now() - timedelta(seconds=seconds)
    Session.objects.filter(pk=session.pk).update(created=created)
    return session


def go(session: Session, *states: SessionState) -> None:
    for state in states:
        assert Session.objects.advance(session.pk, state, by="test")


READY = (SessionState.SPAWNING, SessionState.READY)


def test_a_launch_is_counted_by_its_outcome(ada):
    go(waiting(ada), *READY)
    go(waiting(ada), SessionState.FAILED)
    go(waiting(ada), SessionState.SPAWNING, SessionState.FAILED)
    go(waiting(ada), SessionState.STOPPED)
    go(waiting(ada), SessionState.SPAWNING, SessionState.STOPPING, SessionState.STOPPED)
    go(waiting(ada))
    counters.count()
    assert launches() == {"ready": 1, "failed": 2, "cancelled": 2}


def test_the_end_of_a_notebook_does_not_change_its_launchs_outcome(ada):
    go(waiting(ada), *READY, SessionState.STOPPING, SessionState.STOPPED)
    go(waiting(ada), *READY, SessionState.FAILED)
    counters.count()
    assert launches() == {"ready": 2}
    assert value("notebooks_ended", 'outcome="stopped"') == 1
    assert value("notebooks_ended", 'outcome="failed"') == 1


def test_counting_again_counts_nothing_twice(ada):
    go(waiting(ada), *READY)
    counters.count()
    counters.count()
    assert launches() == {"ready": 1}
    go(waiting(ada), *READY)
    counters.count()
    assert launches() == {"ready": 2}


def test_an_interrupted_count_is_rolled_back_and_repeated(ada):
    go(waiting(ada), *READY)

    def breaks(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE") and "tally" in sql:
            raise DatabaseError("the cursor cannot be written")
        return execute(sql, *rest)

    with connection.execute_wrapper(breaks), pytest.raises(DatabaseError):
        counters.count()
    assert launches() == {}
    counters.count()
    assert launches() == {"ready": 1}


def test_counts_stay_when_the_counted_rows_are_removed(ada):
    go(waiting(ada), *READY)
    counters.count()
    Transition.objects.all().delete()
    counters.count()
    assert launches() == {"ready": 1}


def test_small_batches_give_the_same_counts(ada):
    for _each in range(3):
        go(waiting(ada), *READY)
    counters.count(batch=2)
    assert launches() == {"ready": 3}
    assert value("launch_phase_seconds_count", 'phase="spawning"') == 3


def test_the_duration_of_each_launch_phase_is_counted(ada):
    go(waiting(ada, seconds=45), *READY)
    counters.count()
    assert value("launch_phase_seconds_bucket", 'phase="waiting",le="30"') == 0
    assert value("launch_phase_seconds_bucket", 'phase="waiting",le="60"') == 1
    assert value("launch_phase_seconds_bucket", 'phase="spawning",le="30"') == 1
    assert value("launch_phase_seconds_count", 'phase="waiting"') == 1
    assert 45 <= value("launch_phase_seconds_sum", 'phase="waiting"') < 60


@pytest.mark.parametrize(
    ("pack", "told"), [("python", "python"), ("R", "r"), ("mine; DROP", "other"), ("", "other")]
)
def test_a_build_is_counted_by_outcome_and_build_pack(db, pack, told):
    started = timezone.now() - timedelta(seconds=100)
    build = Build.objects.create(url="u", commit="c", image="i", pack=pack, started=started)
    for state in (BuildState.BUILDING, BuildState.BUILT):
        Build.objects.advance(build.pk, state, by="test")
    counters.count()
    assert value("builds", f'outcome="built",pack="{told}"') == 1
    assert value("build_seconds_bucket", 'outcome="built",le="60"') == 0
    assert value("build_seconds_bucket", 'outcome="built",le="120"') == 1


def test_removals_are_counted_with_their_bytes(db):
    Removal.objects.create(kind="image", count=2, size=500, why="unused")
    Removal.objects.create(kind="image", count=1, size=None, why="unused")
    Removal.objects.create(kind="project", why="nobody was using it")
    counters.count()
    assert value("removed", 'kind="image"') == 3
    assert value("removed_bytes", 'kind="image"') == 500
    assert value("removed", 'kind="project"') == 1


def test_a_row_that_is_committed_late_is_counted(ada):
    """Its row has a lower number than rows that came after it."""
    late, early = waiting(ada), waiting(ada)
    written, may_commit = threading.Event(), threading.Event()

    def write_late() -> None:
        with transaction.atomic():
            go(late, SessionState.FAILED)
            written.set()
            may_commit.wait(10)
        connection.close()

    def meanwhile() -> None:
        go(early, SessionState.FAILED)
        counters.count()
        connection.close()

    threads = [threading.Thread(target=each) for each in (write_late, meanwhile)]
    threads[0].start()
    assert written.wait(10)
    threads[1].start()
    threads[1].join(1.5)  # on PostgreSQL it has tried to count by now
    may_commit.set()
    for thread in threads:
        thread.join(20)
    counters.count()
    assert launches() == {"failed": 2}
