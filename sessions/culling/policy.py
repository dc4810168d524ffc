"""The rule for how long an unused project stays, and since when the portal has observed use.

After a few days without use it is deleted, and its owner is told a full day before.
`sessions.culling.cull` acts on it; pages and API use it to say when a project will be deleted. The
rule itself is pure (`deletes_at`).

While the portal was away, nobody could press Keep and no use was recorded. People whose identity
provider is away cannot keep anything either, and a clock that jumped makes everything look old. So
after a break everybody's warning begins anew: only one that was given since then counts
(`continuous_since`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from sessions import capacity
from sessions.clock import MAX_DRIFT
from sessions.models import Heartbeat, HeartbeatName, Session
from sessions.states import SessionState

WARNING_PERIOD = timedelta(hours=24)
"""The time between a warning and the deletion."""
_MAX_DAYS = 36_500
"""Days: more than that means never, since dates would run past the end of the calendar."""


def idle_period(idle_days: int) -> timedelta | None:
    """Return how long a project may be unused before its owner is warned; None means for ever.

    At least half of the time: otherwise people with a single day would be warned all the time.
    """
    if not 0 < idle_days <= _MAX_DAYS:
        return None
    time = timedelta(days=idle_days)
    return max(time - WARNING_PERIOD, time / 2)


def deletes_at(
    last_activity: datetime, announced: datetime | None, idle_days: int, now: datetime
) -> datetime | None:
    """Return when a project will be deleted if nobody uses it from now on; None if never.

    ``announced`` is the date that its owner has been told. Activity in the future, from a clock
    that was wrong, counts as now.
    """
    quiet = idle_period(idle_days)
    if quiet is None:
        return None
    return announced or max(min(last_activity, now) + quiet, now) + WARNING_PERIOD


OUTAGE = timedelta(hours=1)
MAX_ANSWER_AGE = timedelta(minutes=5)
"""Maximum age of a back end's answer; `sessions.watch.reconcile` asks once a minute."""
PROVIDER_CHECK_INTERVAL = timedelta(minutes=5)
"""How often an identity provider is checked; while it is down, every minute."""
MAX_PROVIDER_AGE = timedelta(minutes=10)
"""A provider that answered within this time counts as available for signing in."""


class JumpDetector:
    """The machine's clock, compared with a monotonic one."""

    def __init__(
        self,
        wall: Callable[[], datetime] = timezone.now,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._seen = wall(), steady()

    def has_jumped(self) -> bool:
        """Return whether somebody has moved the machine's clock since the last call."""
        before, self._seen = self._seen, (self._wall(), self._steady())
        passed = timedelta(seconds=self._seen[1] - before[1])
        return abs(self._seen[0] - before[0] - passed) > MAX_DRIFT


def continuous_since(clock: JumpDetector) -> datetime | None:
    """Return since when there was no break, or None while one lasts.

    Call it about once a minute: that is how a break is noticed. ``clock`` belongs to the caller,
    for as long as the caller lives.
    """
    mine = Heartbeat.objects.filter(name=HeartbeatName.CULLING)
    if clock.has_jumped():
        mine.delete()
    if not (_back_end_answers() and _notebooks_are_probed()):
        return None
    Heartbeat.objects.beat(HeartbeatName.CULLING, within=OUTAGE)
    return mine.values_list("since", flat=True).get()


def answer_window() -> tuple[datetime, datetime]:
    """Return the range of time in which a notebook must have answered to be known to be idle."""
    now = timezone.now()
    return now - 3 * timedelta(seconds=settings.PORTAL_ACTIVITY_SECONDS), now


def heartbeat_name(issuer: str) -> str:
    """Return the name of the `Heartbeat` of the identity provider with this issuer."""
    return f"provider-{hashlib.sha256(issuer.encode()).hexdigest()[:16]}"


def providers_available_since(since: datetime) -> Mapping[str, datetime | None]:
    """Return since when people could sign in by each provider without a break, by its issuer.

    The moment is not before ``since``; it is None while they cannot sign in.
    `portal.accounts.oidc.refresh` asks the providers.
    """
    names = {provider.issuer: heartbeat_name(provider.issuer) for provider in _providers()}
    rows = {row.name: row for row in Heartbeat.objects.filter(name__in=names.values())}
    now = timezone.now()

    def of(row: Heartbeat | None) -> datetime | None:
        return max(row.since, since) if row and now - MAX_PROVIDER_AGE < row.at <= now else None

    return {issuer: of(rows.get(name)) for issuer, name in names.items()}


def needs_provider_check() -> bool:
    """Return whether any provider has not shown for a while that it is there."""
    names = {heartbeat_name(provider.issuer) for provider in _providers()}
    lately = Heartbeat.objects.filter(
        name__in=names, at__gt=timezone.now() - PROVIDER_CHECK_INTERVAL
    )
    return bool(names) and lately.count() < len(names)


def _providers() -> Collection[Any]:
    return [each for each in settings.OIDC_PROVIDERS.values() if each.issuer]


def _back_end_answers() -> bool:
    seen, now = capacity.latest(), timezone.now()
    return seen is not None and now - MAX_ANSWER_AGE < seen.at <= now


def _notebooks_are_probed() -> bool:
    """Return whether notebooks are being probed; True if none runs."""
    if not Session.objects.filter(state=SessionState.READY).exists():
        return True
    return Heartbeat.objects.filter(name=HeartbeatName.ACTIVITY, at__range=answer_window()).exists()
