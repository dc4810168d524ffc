"""How often somebody may ask: a person to look and to change, an address without a good token.

Counted by the minute, in the cache: all processes together where there is Redis, each for itself
where there is none. Part of the minute before still counts, so that two minutes' worth cannot
be had at their border. A stream of events counts once, when it is opened. Forms of pages count with
the same counters (`portal.pages.responses`), so that whoever uses both has no more.
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
    """So many calls a minute, whichever token or browser they come by."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            count_stranger(request)
            return True
        if request.method in SAFE_METHODS:
            return not _is_over(f"look:{request.user.pk}", settings.PORTAL_API_RATE)
        return not is_over_for_changes(request.user)

    def wait(self) -> float:
        return rest_of_minute()


def is_over_for_changes(user: User) -> bool:
    """Count one more wish of this person's to change something; return whether that was one too
    many."""
    return _is_over(f"change:{user.pk}", settings.PORTAL_API_CHANGE_RATE)


def is_over_for_strangers(request: HttpRequest | Request) -> bool:
    """Count one more request of an address that nobody stands for; return whether that was one too
    many. A network of IPv6 counts as one, as it does for signing in."""
    return _is_over(
        f"stranger:{login_throttle.address(request)}", settings.PORTAL_API_STRANGER_RATE
    )


def count_stranger(request: Request) -> None:
    """Note that an address asked without a token, or with a wrong one. Raises `TooOften`."""
    if is_over_for_strangers(request):
        raise TooOften(rest_of_minute())


def _is_over(who: str, most: int) -> bool:
    """Count one more, and tell whether that was one too many; nothing is too many for 0."""
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
    except ValueError:  # has just ended
        return 1


def rest_of_minute() -> float:
    """The seconds after which to come again."""
    return MINUTE - time.time() % MINUTE
