"""Limit the rate of API calls: per person for reads and for changes, per address without a token.

Calls are counted by the minute in the cache: across all processes with Redis, in each process
without. Part of the previous minute still counts, so that nobody gets two minutes' worth around its
end. A stream of events counts once, when it is opened. Forms on pages use the same counters
(`portal.pages.responses`), so that using both gives no more.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import Throttled
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from portal.accounts import login_throttle
from portal.models import User
from sessions.progress.notify import failures

log = logging.getLogger(__name__)

MINUTE = 60


class TooOften(Throttled):
    """429 with ``Retry-After``."""

    default_detail: Any = _("You ask more often than the portal answers, and this was not done.")
    extra_detail_singular: Any = _("Try again in {wait} second.")
    extra_detail_plural: Any = _("Try again in {wait} seconds.")


class OfPerson(BaseThrottle):
    """A limit on the calls of a person per minute, across all their tokens and browsers."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            count_stranger(request)
            return True
        if request.method in SAFE_METHODS:
            return not _is_over(f"look:{request.user.pk}", settings.PORTAL_API_RATE)
        return not is_over_for_changes(request.user)

    def wait(self) -> float:
        """Return the seconds until the next minute."""
        return rest_of_minute()


def is_over_for_changes(user: User) -> bool:
    """Count one more change by this person; return whether it exceeds the limit."""
    return _is_over(f"change:{user.pk}", settings.PORTAL_API_CHANGE_RATE)


def is_over_for_strangers(request: HttpRequest | Request) -> bool:
    """Count one more unauthenticated request; return whether its address exceeds the limit.

    An IPv6 network counts as one address, as it does for signing in.
    """
    return _is_over(
        f"stranger:{login_throttle.address(request)}", settings.PORTAL_API_STRANGER_RATE
    )


def count_stranger(request: Request) -> None:
    """Count a request without a valid token. Raises `TooOften` if there were too many."""
    if is_over_for_strangers(request):
        raise TooOften(rest_of_minute())


def _is_over(who: str, most: int) -> bool:
    """Count one more call; return whether it exceeds ``most``, which is 0 for no limit."""
    if not most:
        return False
    minute, into = divmod(time.time(), MINUTE)
    try:
        count = _count(f"api:{who}:{minute:.0f}")
        before = cache.get(f"api:{who}:{minute - 1:.0f}", 0)
    except failures():
        log.warning("cannot count calls of the API: the cache is away", exc_info=True)
        return False  # better unbounded for a while than closed
    return bool(count + before * (1 - into / MINUTE) > most)


def _count(key: str) -> int:
    if cache.add(key, 1, 2 * MINUTE):
        return 1
    try:
        return cache.incr(key)
    except ValueError:  # expired just now
        return 1


def rest_of_minute() -> float:
    """Return the seconds until the next minute, after which the caller may try again."""
    return MINUTE - time.time() % MINUTE
