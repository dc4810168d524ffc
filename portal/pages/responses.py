"""Find who asks and for which project, answer by htmx or as a page, and throttle forms.

Somebody may send forms as often as the API lets them change something. The counters are the API's
own (`sessions.api.throttles`), so that using both does not double the limit. People who are signed
out are counted by address, because a form of theirs may cost a password check.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import ngettext
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails
from rest_framework.permissions import SAFE_METHODS

from portal.models import User
from sessions.api import throttles
from sessions.errors import NotAllowed
from sessions.models import Project

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def htmx(request: HttpRequest) -> HtmxDetails:
    """Return htmx's details of the request; they are false if htmx did not send it."""
    details: HtmxDetails = request.htmx  # type: ignore[attr-defined]  # set by its middleware
    return details


def signed_in(view: View[P]) -> View[P]:
    """Send people who are signed out to the sign-in page, even if htmx asks for part of a page."""

    @wraps(view)
    def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if htmx(request) and not request.user.is_authenticated:
            return HttpResponseClientRedirect(reverse("sign-in"))
        return login_required(view)(request, *args, **kwargs)

    return answer


def person(request: HttpRequest) -> User:
    """Return the person who is signed in; for views under `signed_in`."""
    return cast(User, request.user)


def find_project(request: HttpRequest, name: str) -> Project:
    """Return a project that this person may see. Raises `Http404` for any other."""
    project = Project.objects.get_visible(name, person(request))
    if project is None:
        raise Http404
    return project


def find_or_deleted(request: HttpRequest, name: str) -> Project:
    """Return a project like `find_project`, or a deleted one that can be restored."""
    return Project.objects.get_restorable(name, person(request)) or find_project(request, name)


def refused_response(request: HttpRequest, error: NotAllowed) -> HttpResponse:
    """Return the page for what a person may see but not do."""
    return render(request, "portal/not_allowed.html", {"error": error}, status=error.status)


def redirect_to(request: HttpRequest, address: str) -> HttpResponse:
    """Send the browser on to a page of ours, with GET."""
    if htmx(request):
        return HttpResponseClientRedirect(address)
    response = redirect(address)
    response.status_code = 303
    return response


def return_address(request: HttpRequest) -> str:
    """Return the address of the page that the form was on; the home page if it does not say."""
    address = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        address, {request.get_host()}, require_https=request.is_secure()
    )
    return address if ours else reverse("home")


API = "/api/"
"""Addresses below this are counted by the API itself: they may be called with a token."""


class Throttle:
    """Middleware that refuses a form that is sent too often, with 429 and ``Retry-After``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_form = request.method not in SAFE_METHODS and not request.path_info.startswith(API)
        return (
            _too_many_requests(request) if is_form and _is_over(request) else self._answer(request)
        )


def _is_over(request: HttpRequest) -> bool:
    if isinstance(request.user, User):
        return throttles.exceeds_change_limit(request.user)
    return throttles.exceeds_anonymous_limit(request)


def _too_many_requests(request: HttpRequest) -> HttpResponse:
    seconds = math.ceil(throttles.seconds_to_next_minute())
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
        answer["HX-Reswap"] = "none"  # the form stays, the message appears beside it
    else:
        answer = render(request, "429.html", {"text": text}, status=429)
    answer["Retry-After"] = str(seconds)
    return answer
