"""Probe all running notebooks in rounds, and store what they answer.

Each round runs in a thread of its own within `sessions.watch`. So watch never waits for a notebook,
and a round that fails or dies is followed by another. The answers are stored in a few queries,
however many notebooks there are. `probe` does the asking.
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
"""Sessions held in memory at a time."""
AGAIN = 30.0
"""Seconds after which a failed round is tried again, at the latest."""
BREAK = 3
"""No round for this many times the usual pause counts as a break."""


class Rounds:
    """Starts a round whenever one is due. ``work`` is the round."""

    def __init__(self, work: Callable[[], None] | None = None) -> None:
        self._work = work or go_round
        self._thread: Thread | None = None
        self._due = 0.0

    def keep_up(self) -> None:
        """Start a round if one is due; call this every few seconds. Returns at once."""
        runs = self._thread is not None and self._thread.is_alive()
        if runs or time.monotonic() < self._due:
            return
        # A round that fails or dies does not report back; one that succeeds sets the next time.
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
    """Ask every notebook that is ready what it does, and store the answers.

    This is a sign of life for `Sign.ACTIVITY`, unless there are several notebooks and none has
    answered: then the fault is more likely ours.
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

    A session that is no longer ready is left alone. Activity never moves backwards: whatever
    somebody has done meanwhile stands.
    """
    for busy in (False, True):
        some = [number for number, reading in readings.items() if reading.busy is busy]
        _ready(some).update(asked=now, busy=busy)
    _move(_news(readings))


def _ready(numbers: Iterable[int]) -> SessionQuerySet:
    return Session.objects.filter(pk__in=numbers, state=SessionState.READY)


def _news(readings: Mapping[int, Reading]) -> dict[int, datetime]:
    """Return, by project, the activity that is later than what is stored."""
    moments = {number: each.active for number, each in readings.items() if each.active}
    known = _ready(moments).values_list("pk", "project_id", "project__last_activity")
    return {project: moments[pk] for pk, project, last in known if last < moments[pk]}


def _move(news: Mapping[int, datetime]) -> None:
    if not news:
        return
    whens = [When(pk=project, then=Value(moment)) for project, moment in news.items()]
    moment = Case(*whens, output_field=DateTimeField())
    # Compared again while the row is locked, so that it cannot undo later activity.
    earlier = Project.objects.filter(pk__in=news, last_activity__lt=moment)
    earlier.update(last_activity=moment, warned=None, goes=None)
