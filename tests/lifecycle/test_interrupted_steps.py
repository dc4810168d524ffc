"""A step may die before any of its effects: later everything is as the person wished.

Each story is told again and again, and cut off each time one effect later: before a statement that
writes, or before a call of the back end. Queued tasks are lost with it. Then nothing is killed any
more, and the reconciler has a few minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from portal.models import User
from sessions import lifecycle
from sessions.lifecycle import observations
from sessions.models import Build, Event, Project, Session
from sessions.watch.reconcile import reconcile
from tests.scripted import ScriptedBackend

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow("clients are cut off after a while", seconds=120),
]

EFFECTS = frozenset(
    {
        "ensure_build",
        "cancel_build",
        "forget_build",
        "ensure_server",
        "remove_server",
        "forget_server",
        "remove_project",
    }
)
WRITES = ("INSERT", "UPDATE", "DELETE")
MINUTES = 8
ADDRESS = "https://github.com/ada/flowers"


class Killed(BaseException):
    """Raised for a kill, which no step can catch."""


class Knife:
    """Kills before an effect once ``left`` effects are used up; None kills nobody."""

    def __init__(self) -> None:
        self.left: int | None = None

    def effect(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def statement(self, execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith(WRITES):
            self.effect()
        return execute(sql, *arguments)


class Mortal(ScriptedBackend):
    """A back end whose caller may be killed just before each call."""

    knife: Knife

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return partial(self._done, found) if name in EFFECTS else found

    def _done(self, call: Callable[..., Any], *arguments: Any) -> Any:
        self.knife.effect()
        return call(*arguments)


class Stage:
    """One person's project, the worker, watch and the minutes that pass."""

    def __init__(self, ada: User, backend: Mortal, knife: Knife) -> None:
        self.ada, self.backend, self.knife = ada, backend, knife
        self.build_code = ""

    # --- what happens ---
    def launch(self) -> None:
        lifecycle.launch(self.ada, ADDRESS)

    def stop(self) -> None:
        lifecycle.stop(Project.objects.get(), self.ada)

    def delete(self) -> None:
        lifecycle.delete(Project.objects.get(), self.ada, for_good=True)

    def work(self) -> None:
        self._look_up()
        while row := OrmQ.objects.order_by("pk").first():
            task = row.task
            row.delete()
            import_string(task["func"])(*task["args"], **task["kwargs"])

    def build(self) -> None:
        for report in self.backend.builds():
            if not report.finished and report.id in self.backend.started_builds:
                self.backend.finish(report.id, self.build_code, "It does not work.")

    def fail(self) -> None:
        self.build_code = "build.requirements"
        self.build()

    def serve(self) -> None:
        for report in self.backend.servers():
            if report.state == "starting":
                self.backend.answer(report.id)

    def watch(self) -> None:
        for build in self.backend.builds():
            observations.handle_build_report(build)
        for server in self.backend.servers():
            observations.handle_server_report(server)

    def minutes(self) -> None:
        """Let minutes pass until nothing changes any more."""
        seen = ""
        for _minute in range(MINUTES):
            before, seen = seen, self._picture()
            if before == seen:
                return
            past = timezone.now() - timedelta(minutes=1)
            Session.objects.update(changed=past)
            for act in (reconcile, self.work, self.build, self.serve, self.watch, self.work):
                act()

    # --- how it is ---
    def state(self) -> str:
        return str(Session.objects.get().state)

    def is_clean(self) -> bool:
        """Return whether the back end has nothing without a row, and nothing is queued."""
        return not self.backend.builds() and not OrmQ.objects.exists()

    def _picture(self) -> str:
        rows = [*Session.objects.values_list("state"), *Build.objects.values_list("state")]
        there = self.backend.builds(), self.backend.servers(), self.backend.projects()
        return f"{rows} {there}"

    def _look_up(self) -> None:
        """Record the commit, so that no repository is asked."""
        Project.objects.update(commit="c0ffee" + "0" * 34, resources="", content="")

    def clear(self) -> None:
        OrmQ.objects.all().delete()
        Project.objects.update(current=None)
        Event.objects.all().delete()
        Session.objects.all().delete()
        Project.objects.all().delete()
        Build.objects.all().delete()
        ScriptedBackend.__init__(self.backend)
        self.build_code = ""


@pytest.fixture
def stage(ada, backend, db) -> Iterator[Stage]:
    knife = Knife()
    backend.__class__, backend.knife = Mortal, knife
    with connection.execute_wrapper(knife.statement):
        yield Stage(ada, backend, knife)


def told_to_its_end(stage: Stage, before: list[str], timeline: list[str], effects: int) -> bool:
    """Tell a story that is cut off after this many effects; return whether it ended before that."""
    stage.clear()
    for act in before:
        getattr(stage, act)()
    stage.knife.left = effects
    with suppress(Killed):
        for act in timeline:
            getattr(stage, act)()
    ended, stage.knife.left = stage.knife.left >= 0, None
    if not ended:
        OrmQ.objects.all().delete()
    return ended


UP = ["launch", "work", "build", "watch", "work", "serve", "watch"]


@pytest.mark.parametrize(
    ("before", "timeline"),
    [
        ([], UP),
        (UP, ["stop", "work", "watch"]),
        (UP, ["delete", "work", "watch", "work"]),
        (["launch", "work"], ["stop", "work", "watch"]),
    ],
    ids=["launch", "stop", "delete", "cancel"],
)
def test_a_scenario_interrupted_after_any_effect_completes(stage, before, timeline):
    effects = 0
    while not told_to_its_end(stage, before, timeline, effects):
        project = Project.objects.select_related("current__build").first()
        wished = _wished(project) if project else None
        stage.minutes()
        assert _as_it_is(stage) == wished, f"cut off after {effects} effects"
        assert stage.is_clean(), f"cut off after {effects} effects"
        effects += 1
    assert effects > len(timeline)


def _wished(project: Project) -> tuple[str, int, bool]:
    """Return the wished state, number of notebooks, and whether anything of the project is kept;
    the last request that was received counts.
    """
    is_to_run = project.state not in {"stopping", "stopped"}
    return ("ready", 1, True) if is_to_run else ("stopped", 0, project.removed is None)


def _as_it_is(stage: Stage) -> tuple[str, int, bool] | None:
    project = Project.objects.first()
    if project is None:
        return None
    has_run = stage.backend.started_servers
    kept = bool(stage.backend.projects()) if has_run else project.removed is None
    return stage.state(), len(stage.backend.servers()), kept


def test_a_build_failure_is_reported_despite_any_interruption(stage):
    effects = 0
    while not told_to_its_end(stage, ["launch", "work"], ["fail", "watch"], effects):
        stage.build_code = "build.requirements"
        stage.minutes()
        session = Session.objects.get()
        assert (session.state, session.code) == ("failed", "build.requirements"), effects
        assert stage.is_clean(), effects
        effects += 1
    assert effects > 2


def test_steps_run_by_two_workers_at_once_take_effect_once(ada, backend, transactional_db):
    stage = Stage(ada, backend, Knife())
    stage.launch()
    for act in (stage.build, stage.serve):
        _work_at_once(stage)
        act()
        stage.watch()
    assert stage.state() == "ready"
    assert Build.objects.count() == 1
    assert len(backend.servers()) == 1
    said = list(Event.objects.values_list("message", flat=True))
    assert len(said) == len(set(said))


def _work_at_once(stage: Stage) -> None:
    """Run each task in two threads at the same moment."""
    stage._look_up()
    while row := OrmQ.objects.order_by("pk").first():
        task = row.task
        row.delete()
        barrier = threading.Barrier(2)
        threads = [threading.Thread(target=_one, args=(task, barrier)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _one(task: dict[str, Any], barrier: threading.Barrier) -> None:
    barrier.wait()
    try:
        import_string(task["func"])(*task["args"], **task["kwargs"])
    finally:
        connections.close_all()
