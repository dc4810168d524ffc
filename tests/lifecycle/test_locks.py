"""Transactions lock rows in one order, and one that the database has ended is tried again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction

from portal.lib.db import MAX_TRIES, retry_after_deadlock
from portal.models import User
from sessions import lifecycle
from sessions.backends import ServerReport
from sessions.culling import cull
from sessions.lifecycle import commands, observations
from sessions.models import Build, Project, Session
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one lock for all rows"
)

ORDER = {model._meta.db_table: place for place, model in enumerate((User, Build, Session, Project))}
"""The order in which rows of these tables are locked."""
_LOCK = re.compile(r'UPDATE "(\w+)"|SELECT .* FROM "(\w+)".* FOR (?:NO KEY )?UPDATE', re.DOTALL)


class Notes:
    """The tables whose rows each transaction locks, in the order of the first lock."""

    def __init__(self) -> None:
        self.transactions: dict[object, list[str]] = {}

    def __call__(self, execute: Any, sql: str, *more: Any) -> Any:
        found = _LOCK.match(sql)
        table = found and (found[1] or found[2])
        if connection.in_atomic_block and table in ORDER:
            tables = self.transactions.setdefault(connection.atomic_blocks[0], [])
            if table not in tables:
                tables.append(table)
        return execute(sql, *more)

    def wrong(self) -> list[list[str]]:
        found = self.transactions.values()
        return [each for each in found if each != sorted(each, key=lambda table: ORDER[table])]


@contextmanager
def noted() -> Iterator[None]:
    notes = Notes()
    with connection.execute_wrapper(notes):
        yield
    assert any(len(each) > 1 for each in notes.transactions.values())
    assert notes.wrong() == []


@ROWS
def test_a_launch_and_its_end_lock_rows_in_order(
    ada, url, backend, worker, watch, bring_up, settings
):
    with noted():
        project = bring_up(lifecycle.launch(ada, url))
        lifecycle.stop(project, ada)
        worker.run()
        watch.look()
        project = Project.objects.get()
        lifecycle.delete(project, ada)
        lifecycle.restore(Project.objects.get(), ada)
        project = bring_up(lifecycle.rebuild(Project.objects.get(), ada))
        lifecycle.delete(project, ada, for_good=True)
        worker.run()
        watch.look()


@ROWS
def test_cancelled_and_shared_builds_lock_rows_in_order(
    ada, bob, root, url, backend, worker, watch
):
    with noted():
        for person in (ada, bob):
            lifecycle.launch(person, url)
        worker.run()
        commands.cancel_build(Build.objects.get(), root)
        worker.run()
        watch.look()


@ROWS
def test_deletion_of_a_running_notebook_locks_rows_in_order(ada, backend):
    with noted():
        cull.delete_unused(project_in(ProjectState.READY, ada), 7)


@ROWS
def test_stop_of_an_idle_notebook_locks_rows_in_order(ada, backend):
    with noted():
        cull._stop(project_in(ProjectState.READY, ada), 7)


def together(*acts: Callable[[], object]) -> list[Exception]:
    """Do these at the same time, each waiting after its first lock until all have one, or for a
    moment; return what they raised.
    """
    barrier = Barrier(len(acts))

    def do(act: Callable[[], object]) -> Exception | None:
        first = True

        def wait(execute: Any, sql: str, *more: Any) -> Any:
            nonlocal first
            result = execute(sql, *more)
            table = (found := _LOCK.match(sql)) and (found[1] or found[2])
            if first and table in {Session._meta.db_table, Project._meta.db_table}:
                first = False
                with suppress(BrokenBarrierError):
                    barrier.wait(1)
            return result

        try:
            with connection.execute_wrapper(wait):
                act()
        except Exception as error:  # noqa: BLE001  is what is looked for
            return error
        finally:
            connections.close_all()
        return None

    with ThreadPoolExecutor(len(acts)) as pool:
        return [error for error in pool.map(do, acts) if error]


@ROWS
def test_a_project_can_be_deleted_at_the_moment_it_becomes_ready(ada, backend):
    project = project_in(ProjectState.READY, ada)
    Session.objects.update(state="spawning")
    session = Session.objects.select_related("project").get()
    report = ServerReport(session.pk, project.name, "ready", address="unix:/run/1")
    raised = together(
        lambda: observations._store_ready(session, report),
        lambda: commands.delete(project, ada),
    )
    assert raised == []
    assert Project.objects.get().removed
    assert Session.objects.get().state == "stopping"


class Victim:
    """A transaction that the database ends so many times in favour of another one."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.done = 0

    @retry_after_deadlock
    def act(self) -> str:
        with transaction.atomic():
            self.done += 1
            if self.left:
                self.left -= 1
                raise OperationalError from psycopg.errors.DeadlockDetected()
        return "done"


def test_a_transaction_that_met_a_deadlock_is_tried_again():
    victim = Victim(2)
    assert victim.act() == "done"
    assert victim.done == 3


def test_a_transaction_is_not_tried_for_ever():
    victim = Victim(99)
    with pytest.raises(OperationalError):
        victim.act()
    assert victim.done == MAX_TRIES


def test_only_the_outermost_transaction_is_tried_again():
    victim = Victim(1)
    with pytest.raises(OperationalError), transaction.atomic():
        victim.act()
    assert victim.done == 1
