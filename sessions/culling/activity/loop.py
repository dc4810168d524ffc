"""Probe all running notebooks in rounds, and store what they answer.

Rounds of asking all running notebooks, each in a thread of its own within watch.

So watch never waits for a notebook, and a round that fails or dies is followed by another.

Writing down what notebooks have answered, in a few queries however many they are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from threading import Thread

from django.conf import settings
from django.db import connections
from django.db.models import Case, DateTimeField, Value, When
from django.utils import timezone

from keys.sealing import CannotOpen
from sessions.models import Heartbeat, Project, Session, Sign
from sessions.models.session import SessionQuerySet
from sessions.outages import guarded
from sessions.states import SessionState

from .probe import Asked, Reading, ask

log = logging.getLogger(__name__)

SLICE = 1000
"""Sessions that are held in memory at a time."""
AGAIN = 30.0
"""Seconds after which a round that failed is tried again, at the latest."""
BREAK = 3
"""So many times the pause between rounds without one is a break."""


class Rounds:
    """Starts a round whenever one is due. ``work`` is the round."""

    def __init__(self, work: Callable[[], None] | None = None) -> None:
        self._work = work or go_round
        self._thread: Thread | None = None
        self._due = 0.0

    def keep_up(self) -> None:
        """To be called every few seconds; returns at once."""
        runs = self._thread is not None and self._thread.is_alive()
        if runs or time.monotonic() < self._due:
            return
        # Of a round that fails or dies nothing more is heard; one that works sets the next.
        self._due = time.monotonic() + min(AGAIN, settings.PORTAL_ACTIVITY_SECONDS)
        self._thread = Thread(target=self._run, name=Sign.ACTIVITY, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        guarded(self._ask_notebooks)
        connections.close_all()

    def _ask_notebooks(self) -> None:
        begun = time.monotonic()
        self._work()
        self._due = begun + settings.PORTAL_ACTIVITY_SECONDS


def go_round(at_a_time: int = SLICE) -> None:
    """Ask every notebook that is ready what it does, and store what it says.

    It is a sign of life of `Sign.ACTIVITY`, unless there are several and none has answered: then it
    is rather we who cannot hear.
    """
    asked = answered = 0
    for some in _slices(at_a_time):
        now = timezone.now()
        readings = ask(some, now)
        note(readings, now)
        asked, answered = asked + len(some), answered + len(readings)
    if asked > 1 and not answered:
        log.warning("none of %s notebooks says what it does", asked)
        return
    pause = timedelta(seconds=settings.PORTAL_ACTIVITY_SECONDS)
    Heartbeat.objects.beat(Sign.ACTIVITY, within=BREAK * pause)


def _slices(size: int) -> Iterator[list[Asked]]:
    last = 0
    ready = Session.objects.filter(state=SessionState.READY).order_by("pk")
    while some := list(ready.filter(pk__gt=last).only("address", "sealed_token")[:size]):
        last = some[-1].pk
        yield [each for session in some for each in _open(session)]


def _open(session: Session) -> Iterator[Asked]:
    try:
        yield Asked(session.pk, session.address, session.server_token)
    except CannotOpen:
        log.warning("the token of session %s cannot be opened", session.pk)


def note(readings: Mapping[int, Reading], now: datetime) -> None:
    """Store what the sessions with these numbers do; ``now`` is when they were asked.

    One that is no longer ready is left alone. Activity never moves backwards: what somebody has
    done meanwhile stands.
    """
    for busy in (False, True):
        some = [number for number, reading in readings.items() if reading.busy is busy]
        _ready(some).update(asked=now, busy=busy)
    _move(_news(readings))


def _ready(numbers: Iterable[int]) -> SessionQuerySet:
    return Session.objects.filter(pk__in=numbers, state=SessionState.READY)


def _news(readings: Mapping[int, Reading]) -> dict[int, datetime]:
    """By project, the activity that is later than what is known."""
    moments = {number: each.active for number, each in readings.items() if each.active}
    known = _ready(moments).values_list("pk", "project_id", "project__last_activity")
    return {project: moments[pk] for pk, project, last in known if last < moments[pk]}


def _move(news: Mapping[int, datetime]) -> None:
    if not news:
        return
    whens = [When(pk=project, then=Value(moment)) for project, moment in news.items()]
    moment = Case(*whens, output_field=DateTimeField())
    # Compared once more as the row is locked, so that it cannot undo what came in between.
    earlier = Project.objects.filter(pk__in=news, last_activity__lt=moment)
    earlier.update(last_activity=moment, warned=None, goes=None)
