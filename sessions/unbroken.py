"""Whether the portal has seen what people do, and they could see it, without a break.

While it was away, nobody could press Keep and no use was noted; a clock that jumped makes
everything look old. So after a break everybody's warning begins anew, and only one that has
stood since then counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from sessions import capacity
from sessions.elapsed import TOLERATED
from sessions.models import Heartbeat, Session, Sign
from sessions.states import SessionState

OUTAGE = timedelta(hours=1)
ANSWERED = timedelta(minutes=5)
"""An answer of the back end is no older: `reconcile` asks once a minute."""


class Clock:
    """The machine's clock beside one that only goes on."""

    def __init__(
        self,
        wall: Callable[[], datetime] = timezone.now,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._seen = wall(), steady()

    def has_jumped(self) -> bool:
        """Whether somebody has moved the machine's clock since this was asked last."""
        before, self._seen = self._seen, (self._wall(), self._steady())
        passed = timedelta(seconds=self._seen[1] - before[1])
        return abs(self._seen[0] - before[0] - passed) > TOLERATED


def unbroken_since(clock: Clock) -> datetime | None:
    """Since when there was no break, None while one lasts. To be called about once a minute, which
    is how a break is noticed; ``clock`` is the caller's own, for as long as it lives."""
    mine = Heartbeat.objects.filter(name=Sign.CULLING)
    if clock.has_jumped():
        mine.delete()
    if not (_back_end_answers() and _notebooks_are_asked()):
        return None
    Heartbeat.objects.beat(Sign.CULLING, within=OUTAGE)
    return mine.values_list("since", flat=True).get()


def answered_by() -> tuple[datetime, datetime]:
    """Between these two a notebook has to have said what it does, to be known to be idle."""
    now = timezone.now()
    return now - 3 * timedelta(seconds=settings.PORTAL_ACTIVITY_SECONDS), now


def _back_end_answers() -> bool:
    seen, now = capacity.known(), timezone.now()
    return seen is not None and now - ANSWERED < seen.at <= now


def _notebooks_are_asked() -> bool:
    """Where none runs there is nothing to ask."""
    if not Session.objects.filter(state=SessionState.READY).exists():
        return True
    return Heartbeat.objects.filter(name=Sign.ACTIVITY, at__range=answered_by()).exists()
