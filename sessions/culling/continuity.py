"""Whether the portal has seen what people do, and they could see it, without a break.

While it was away, nobody could press Keep and no use was noted, nor can those keep anything whose
identity provider is away; a clock that jumped makes everything look old. So after a break
everybody's warning begins anew, and only one that has stood since then counts.
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
from sessions.clock import TOLERATED
from sessions.models import Heartbeat, Session, Sign
from sessions.states import SessionState

OUTAGE = timedelta(hours=1)
ANSWERED = timedelta(minutes=5)
"""An answer of the back end is no older: `sessions.watch.loop.reconcile` asks once a minute."""
ASKED = timedelta(minutes=5)
"""After so long an identity provider is asked again whether it is there, and each minute while it
is not."""
SIGN_IN = timedelta(minutes=10)
"""People can sign in by a provider that was there not longer ago."""


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


def sign_of(issuer: str) -> str:
    """Return the name of the `Heartbeat` of the identity provider with this issuer."""
    return f"provider-{hashlib.sha256(issuer.encode()).hexdigest()[:16]}"


def providers_since(since: datetime) -> Mapping[str, datetime | None]:
    """Return since when people could sign in by each provider without a break, by its issuer; not
    before ``since``, None while they cannot. `portal.accounts.oidc.refreshing` asks the
    providers."""
    signs = {provider.issuer: sign_of(provider.issuer) for provider in _providers()}
    rows = {row.name: row for row in Heartbeat.objects.filter(name__in=signs.values())}
    now = timezone.now()

    def of(row: Heartbeat | None) -> datetime | None:
        return max(row.since, since) if row and now - SIGN_IN < row.at <= now else None

    return {issuer: of(rows.get(name)) for issuer, name in signs.items()}


def are_to_be_asked() -> bool:
    """Return whether any provider has not said for a while that it is there."""
    signs = {sign_of(provider.issuer) for provider in _providers()}
    lately = Heartbeat.objects.filter(name__in=signs, at__gt=timezone.now() - ASKED)
    return bool(signs) and lately.count() < len(signs)


def _providers() -> Collection[Any]:
    return [each for each in settings.OIDC_PROVIDERS.values() if each.issuer]


def _back_end_answers() -> bool:
    seen, now = capacity.known(), timezone.now()
    return seen is not None and now - ANSWERED < seen.at <= now


def _notebooks_are_asked() -> bool:
    """Where none runs there is nothing to ask."""
    if not Session.objects.filter(state=SessionState.READY).exists():
        return True
    return Heartbeat.objects.filter(name=Sign.ACTIVITY, at__range=answered_by()).exists()
