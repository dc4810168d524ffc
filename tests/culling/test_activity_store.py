"""Answers of notebooks are recorded without undoing anything that was written meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from sessions.culling.activity import KernelActivity, store
from sessions.models import Project, Session
from sessions.states import SessionState
from tests.culling.running import BEFORE, NOW, answer_of, running, use_of

pytestmark = pytest.mark.databases


def test_busy_notebook_is_active_and_no_longer_expires(ada):
    session = running(ada)
    store({session.pk: KernelActivity(busy=True, last_active=NOW)}, NOW)
    assert answer_of(session) == (NOW, True)
    assert use_of(session) == (NOW, False)


def test_idle_answer_leaves_activity_and_expiry_unchanged(ada):
    session = running(ada)
    store({session.pk: KernelActivity(busy=True)}, NOW - timedelta(minutes=5))
    store({session.pk: KernelActivity()}, NOW)
    assert answer_of(session) == (NOW, False)
    assert use_of(session) == (BEFORE, True)


def test_activity_never_moves_backwards(ada):
    session = running(ada)
    store({session.pk: KernelActivity(last_active=BEFORE - timedelta(hours=1))}, NOW)
    assert use_of(session) == (BEFORE, True)


def test_later_use_is_not_overwritten(ada):
    session = running(ada)
    Project.objects.filter(pk=session.project_id).touch()
    touched, _goes = use_of(session)
    store({session.pk: KernelActivity(busy=True, last_active=NOW)}, NOW)
    assert touched > NOW
    assert use_of(session) == (touched, False)


def test_each_project_gets_its_own_time(ada):
    sessions = [running(ada, f"p{number}") for number in range(3)]
    times = [BEFORE + timedelta(hours=number) for number in range(3)]
    activities = zip(sessions, times, strict=True)
    store({session.pk: KernelActivity(last_active=time) for session, time in activities}, NOW)
    assert [use_of(each)[0] for each in sessions] == times


def test_session_that_is_stopping_is_left_alone(ada):
    session = running(ada)
    assert Session.objects.advance(session.pk, SessionState.STOPPING, by="ada")
    store({session.pk: KernelActivity(busy=True, last_active=NOW)}, NOW)
    assert answer_of(session) == (None, False)
    assert use_of(session) == (BEFORE, True)


def test_many_answers_take_no_more_queries_than_one(ada, django_assert_num_queries):
    sessions = [running(ada, f"p{number}") for number in range(40)]
    for some in (sessions[:1], sessions):
        later = NOW + len(some) * timedelta(minutes=1)
        with django_assert_num_queries(3):
            store({each.pk: KernelActivity(busy=True, last_active=later) for each in some}, later)
        assert {use_of(each)[0] for each in some} == {later}


def test_newer_touch_between_read_and_write_is_kept(ada):
    """Somebody comes back just as their notebook is found to have been used a while ago."""
    session = running(ada)
    queries: list[str] = []

    def touching(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("UPDATE") and "last_activity" in sql and not queries:
            queries.append(sql)
            assert Project.objects.filter(pk=session.project_id).touch() == 1
        return execute(sql, *arguments)

    with connection.execute_wrapper(touching):
        store({session.pk: KernelActivity(busy=True, last_active=NOW)}, NOW)
    assert queries
    active, goes = use_of(session)
    assert active > NOW
    assert not goes


def test_older_touch_between_read_and_write_is_overwritten(ada):
    session = running(ada)
    middle = BEFORE + timedelta(hours=1)
    queries: list[str] = []

    def touching(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("UPDATE") and "last_activity" in sql and not queries:
            queries.append(sql)
            Project.objects.filter(pk=session.project_id).update(last_activity=middle)
        return execute(sql, *arguments)

    with connection.execute_wrapper(touching):
        store({session.pk: KernelActivity(busy=True, last_active=NOW)}, NOW)
    assert use_of(session) == (NOW, False)


def test_session_stopped_between_read_and_write_is_left_alone(ada):
    """Nobody asks a stopped notebook whether it computes; what it said before is ignored."""
    session = running(ada)
    done: list[bool] = []

    def stopping(execute: Any, sql: str, *arguments: Any) -> Any:
        if not done:
            done.append(True)
            assert Session.objects.advance(session.pk, SessionState.STOPPING, by="ada")
        return execute(sql, *arguments)

    with connection.execute_wrapper(stopping):
        store({session.pk: KernelActivity(busy=True, last_active=NOW)}, NOW)
    assert answer_of(session) == (None, False)
    assert use_of(session) == (BEFORE, True)
