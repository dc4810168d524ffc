"""How often somebody may send a form: as often as the API lets them change something.

The counters are the API's own (`sessions.api.throttles`), so that nobody has twice as much by using
both. Who is signed out is counted by address: a form of theirs may cost a password's check.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import ngettext
from rest_framework.permissions import SAFE_METHODS

from portal.models import User
from portal.pages.asking import htmx
from sessions.api import throttles

API = "/api/"
"""Below this, each address counts itself: it may be asked by token."""


class Throttle:
    """Middleware. What is one too many is not done, and told with 429 and ``Retry-After``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_form = request.method not in SAFE_METHODS and not request.path_info.startswith(API)
        return _told(request) if is_form and _is_over(request) else self._answer(request)


def _is_over(request: HttpRequest) -> bool:
    if isinstance(request.user, User):
        return throttles.is_over_for_changes(request.user)
    return throttles.is_over_for_strangers(request)


def _told(request: HttpRequest) -> HttpResponse:
    seconds = math.ceil(throttles.rest_of_minute())
    text = ngettext(
        "You send more in a minute than the portal does, and this was not done. Try again in "
        "%(seconds)d second.",
        "You send more in a minute than the portal does, and this was not done. Try again in "
        "%(seconds)d seconds.",
        seconds,
    ) % {"seconds": seconds}
    if htmx(request):
        messages.error(request, text)
        answer = render(request, "portal/_messages.html", status=429)
        answer["HX-Reswap"] = "none"  # the form stays, the message comes beside it
    else:
        answer = render(request, "429.html", {"text": text}, status=429)
    answer["Retry-After"] = str(seconds)
    return answer
