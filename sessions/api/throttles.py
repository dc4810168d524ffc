"""Limit the rate of API calls: per person for reads and for changes, per address without a token.

Calls are counted by the minute in the cache: across all processes with Redis, in each process
without. Part of the previous minute still counts, so that nobody gets two minutes' worth around its
end. A stream of events counts once, when it is opened. Forms on pages use the same counters
(`portal.pages.responses`), so that using both gives no more.
"""

from __future__ import annotations

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
from sessions.progress.notify import redis_errors

MINUTE = 60


class RateLimited(Throttled):
    """429 with ``Retry-After``."""

    default_detail: Any = _("You have sent too many requests, so this one was not carried out.")
    extra_detail_singular: Any = _("Try again in {wait} second.")
    extra_detail_plural: Any = _("Try again in {wait} seconds.")


class UserThrottle(BaseThrottle):
    """A limit on the calls of a person per minute, across all their tokens and browsers."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            count_anonymous(request)
            return True
        if request.method in SAFE_METHODS and not getattr(view, "acts_on_get", False):
            return not _exceeds_limit(f"look:{request.user.pk}", settings.PORTAL_API_RATE)
        return not exceeds_change_limit(request.user)

    def wait(self) -> float:
        """Return the seconds until the next minute."""
        return seconds_to_next_minute()


def exceeds_change_limit(user: User) -> bool:
    """Count one more change by this person; return whether it exceeds the limit."""
    return _exceeds_limit(f"change:{user.pk}", settings.PORTAL_API_CHANGE_RATE)


def exceeds_anonymous_limit(request: HttpRequest | Request) -> bool:
    """Count one more unauthenticated request; return whether its address exceeds the limit.

    An IPv6 network counts as one address, as it does for signing in.
    """
    return _exceeds_limit(
        f"stranger:{login_throttle.client_address(request)}", settings.PORTAL_API_STRANGER_RATE
    )


def count_anonymous(request: Request) -> None:
    """Count a request without a valid token. Raises `RateLimited` if there were too many."""
    if exceeds_anonymous_limit(request):
        raise RateLimited(seconds_to_next_minute())


def _exceeds_limit(key: str, limit: int) -> bool:
    """Count one more call; return whether it exceeds ``limit``, which is 0 for no limit."""
    if not limit:
        return False
    minute, into = divmod(time.time(), MINUTE)
    try:
        count = _count(f"api:{key}:{minute:.0f}")
        before = cache.get(f"api:{key}:{minute - 1:.0f}", 0)
    except redis_errors():  # which `portal.lib.cache` has logged
        return False  # better unlimited for a while than closed
    return bool(count + before * (1 - into / MINUTE) > limit)


def _count(key: str) -> int:
    for _try in range(2):
        try:
            return cache.incr(key)
        except ValueError:  # the minute's first, unless another thread is quicker
            if cache.add(key, 1, 2 * MINUTE):
                break
    return 1


def seconds_to_next_minute() -> float:
    """Return the seconds until the next minute, after which the caller may try again."""
    return MINUTE - time.time() % MINUTE
