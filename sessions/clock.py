"""Measure how long ago something was, for limits on time, by a clock that nobody moves.

A machine's clock may be set forward by an hour, or a portal may be down for a week: neither is time
that a notebook had for its start. `sessions.watch.timeouts` ends nothing that is not overdue by
this measure.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils import timezone

MAX_DRIFT = timedelta(seconds=5)
"""Clocks that are synchronised over the network are adjusted a little all the time."""
MAX_JUMPS = 100
MAX_WARM_UP_SECONDS = 3600.0
"""Maximum seconds that this process must have watched before anything counts as elapsed."""


class SteadyClock:
    """Compares the machine's clock with a monotonic one, from ``began`` on.

    ``began`` is on the ``steady`` clock; None is now.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = timezone.now,
        steady: Callable[[], float] = time.monotonic,
        *,
        began: float | None = None,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._began = steady() if began is None else began
        self._seen = wall(), steady()
        self._jumps: deque[tuple[datetime, timedelta]] = deque(maxlen=MAX_JUMPS)
        self._unseen: deque[tuple[datetime, timedelta]] = deque(maxlen=MAX_JUMPS)
        self._looked, self._saw = steady(), True

    def detect_jump(self) -> None:
        """Notice whether the machine's clock has jumped; call this regularly."""
        wall, steady = self._wall(), self._steady()
        passed = timedelta(seconds=steady - self._seen[1])
        ahead = wall - self._seen[0] - passed
        if ahead > MAX_DRIFT:
            self._jumps.append((wall - passed, ahead))
        elif ahead < -MAX_DRIFT:
            self._take_back(-ahead)
        self._seen = wall, steady

    def note_look(self, *, saw: bool) -> None:
        """Leave out the time since the last look if that one or this one saw nothing."""
        now = self._steady()
        if not (saw and self._saw):
            unseen = timedelta(seconds=now - self._looked)
            if not self._saw and self._unseen:
                unseen += self._unseen.pop()[1]
            self._unseen.append((self._wall(), unseen))
        self._looked, self._saw = now, saw

    def _take_back(self, back: timedelta) -> None:
        """Forget jumps ahead that the clock has taken back: nothing is to be left out for those."""
        while self._jumps and back > timedelta():
            at, ahead = self._jumps.pop()
            back -= ahead
            if back < -MAX_DRIFT:
                self._jumps.append((at, -back))

    def since(self, moment: datetime) -> timedelta:
        """Return the time since ``moment``; never below zero.

        The clock's jumps ahead do not count, nor do the times in which nobody could look.
        """
        left_out = (*self._jumps, *self._unseen)
        jumped = sum((ahead for at, ahead in left_out if moment < at), timedelta())
        return max(self._wall() - moment - jumped, timedelta())

    def has_elapsed(self, moment: datetime, seconds: float) -> bool:
        """Return whether this many seconds have passed since ``moment``.

        This process must have watched for long enough itself: the time before may have been an
        outage.
        """
        has_watched = self._steady() - self._began >= min(seconds, MAX_WARM_UP_SECONDS)
        return has_watched and self.since(moment) >= timedelta(seconds=seconds)
