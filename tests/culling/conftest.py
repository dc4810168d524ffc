"""Fixtures: a portal whose clock a test moves, and which checks its projects as `watch` does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.mail import outbox
from portal.models import User
from sessions import capacity, tasks
from sessions.culling.cull import cull
from sessions.culling.policy import JumpDetector, continuous_since, needs_provider_check
from sessions.models import Heartbeat, HeartbeatName, Project, Session
from sessions.states import ProjectState, SessionState
from tests.scripted import ScriptedBackend
from tests.stages import project_in

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Portal:
    """A portal in which time passes; once a minute, unless it is away, it checks its projects and
    sends its letters.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 11, 2, 12, tzinfo=UTC)
        self.steady = 0.0
        self.clock = self._started()
        self.notebooks_answer = True
        self.mute: set[int] = set()
        self.sends_letters = True
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    def _started(self) -> JumpDetector:
        return JumpDetector(lambda: self.now, lambda: self.steady)

    def look(self) -> None:
        """Do what `watch` does each minute, as far as culling goes."""
        self._see()
        cull(self.clock)
        if outbox.is_mail_enabled() and self.sends_letters:
            outbox.deliver_due()

    def _see(self) -> None:
        """Have all notebooks report that they are idle, except those of the projects in
        ``mute``.
        """
        capacity.refresh()
        if needs_provider_check():  # as `reconcile` has the worker do it
            tasks.ask_providers()
        if self.notebooks_answer:
            running = Session.objects.filter(state=SessionState.READY)
            running.exclude(project__in=self.mute).update(asked=self.now)
            Heartbeat.objects.beat(HeartbeatName.ACTIVITY, within=HOUR)

    def live(self, time: timedelta) -> None:
        """Let this much time pass with the portal at work. To save time, it notes now and then that
        all is well, and checks its projects every six hours and at the end.
        """
        begin, end = self.now, self.now + time
        while self.now < end:
            self.sleep(min(45 * MINUTE, end - self.now))
            if self.now == end or not (self.now - begin) % (6 * HOUR):
                self.look()
            else:
                self._see()
                continuous_since(self.clock)

    def sleep(self, time: timedelta) -> None:
        """Let this much time pass without a check."""
        self.now += time
        self.steady += time.total_seconds()

    def set_clock(self, ahead: timedelta) -> None:
        """Set the machine's clock; no time passes."""
        self.now += ahead

    def restart(self) -> None:
        self.clock = self._started()

    def beats_since(self) -> datetime:
        return Heartbeat.objects.get(name=HeartbeatName.CULLING).since


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch, settings, db, backend: ScriptedBackend) -> Portal:
    settings.PORTAL_ACTIVITY_SECONDS = 300
    portal = Portal(monkeypatch)
    portal.look()
    return portal


Unused = Callable[..., Project]


@pytest.fixture
def unused(portal: Portal) -> Unused:
    """``unused(owner, days)`` makes a project that nobody has used for so many days, by default
    five: then its owner is warned a day from now.
    """

    def make(
        owner: User,
        days: float = 5,
        state: ProjectState = ProjectState.STOPPED,
        repository: str = "ada/flowers",
    ) -> Project:
        project = project_in(state, owner, repository)
        Project.objects.filter(pk=project.pk).update(last_activity=portal.now - days * DAY)
        Session.objects.filter(project=project).update(ready=portal.now - days * DAY)
        return Project.objects.get(pk=project.pk)

    return make


def now_is(project: Project) -> Any:
    """Return the project as it is now."""
    return Project.objects.select_related("current").get(pk=project.pk)


@pytest.fixture
def by_mail(settings) -> None:
    settings.PORTAL_EMAIL_URL = "smtp://localhost"
