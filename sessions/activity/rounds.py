"""Rounds of asking all running notebooks, each in a thread of its own within watch.

So watch never waits for a notebook, and a round that fails or dies is followed by another.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Thread

from django.conf import settings
from django.db import connections
from django.utils import timezone

from keys.sealing import CannotOpen
from sessions.activity.asking import Asked, ask
from sessions.activity.noting import note
from sessions.guarded import guarded
from sessions.models import Heartbeat, Session, Sign
from sessions.states import SessionState

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
