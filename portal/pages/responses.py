"""Answer requests: find who asks and for which project, throttle forms, and report errors.

Somebody may send forms as often as the API lets them change something. The counters are the API's
own (`sessions.api.throttles`), so that using both does not double the limit. People who are signed
out are counted by address, because a form of theirs may cost a password check.

Requests that fail get a page, or JSON below ``/api/``: errors of ours, requests that nobody can
read, and outages of the database or the disk, which pass by themselves. Errors carry the request's
reference (`portal.lib.logs`). `site` is the context processor for what every page shows.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.shortcuts import redirect, render
from django.template import loader
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails
from rest_framework.permissions import SAFE_METHODS

from portal.lib.logs import context
from portal.models import Announcement, User
from portal.server.heads import API_PATHS
from quotas.models import LimitRequest
from sessions import outages
from sessions.api import throttles
from sessions.backends import get_backend
from sessions.errors import NotAllowed
from sessions.models import Project

log = logging.getLogger(__name__)

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

BUILD = "/build/"
"""Addresses below this get errors as the event that clients of the build API know."""
RETRY_AFTER = 10
"""Seconds after which to try again when the database or the disk is away."""
BAD_REQUESTS = {
    400: ("bad_request", gettext_lazy("The request could not be read. Check its address.")),
    413: ("too_large", gettext_lazy("The body is larger than the largest that is accepted here.")),
}


def site(request: HttpRequest) -> dict[str, Any]:
    """Return the variables for every page.

    - ``problems``: for staff, why launches cannot work now.
    - ``announcements``: the current ones, for everybody.
    - ``new_answers``: answers to this person's limit requests that they have not seen.
    - ``expiring_projects``: their projects that are about to be deleted; queried only where a page
      shows them.
    """
    user = getattr(request, "user", None)
    staff = user is not None and user.is_staff
    return {
        "problems": get_backend().problems() if staff else [],
        "announcements": Announcement.objects.current(),
        "new_answers": LimitRequest.objects.unseen_answers_for(user).select_related("grant")
        if isinstance(user, User)
        else (),
        "expiring_projects": cache(partial(Project.objects.expiring_of, user))
        if isinstance(user, User)
        else (),
    }


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
    """Return the answer that sends the browser on to ``address``, a page of ours, with GET."""
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


class Throttle:
    """Middleware that refuses a form that is sent too often, with 429 and ``Retry-After``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, or refuse it if it is a form that is sent too often."""
        is_form = request.method not in SAFE_METHODS and not request.path_info.startswith(API_PATHS)
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
        "You sent too many requests in a minute, so this was not done. Try again in "
        "%(seconds)d second.",
        "You sent too many requests in a minute, so this was not done. Try again in "
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


class WrongMethod:
    """Middleware that gives a page to a browser that opens what only forms send to.

    That happens after a form that was not answered, or when an address comes from the history.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request; Django's own refusal of its method is empty."""
        answer = self._answer(request)
        if not isinstance(answer, HttpResponseNotAllowed):
            return answer
        page = render(request, "405.html", status=405)
        for name in ("Allow", "Cache-Control"):
            if name in answer:
                page[name] = answer[name]
        return page


def outage_response(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Return a 503 for an outage that passes by itself; None if ``error`` is anything else."""
    if not isinstance(error, DatabaseError | InterfaceError | OSError):
        return None
    if outages.is_disk_full_error(error):
        log.warning("%s %s: the disk is full (%s)", request.method, request.path, error)
        return _unavailable_response(
            request, outages.DISK_FULL, _("The portal's disk is full"), outages.disk_full_message()
        )
    if outages.is_database_away_error(error):
        log.warning("%s %s: no database (%s)", request.method, request.path, error)
        return _unavailable_response(
            request, outages.DATABASE_AWAY, _("Back in a moment"), outages.database_away_message()
        )
    return None


def _unavailable_response(request: HttpRequest, code: str, title: str, text: str) -> HttpResponse:
    response: HttpResponse
    reference = context.reference()
    if request.path.startswith(API_PATHS):
        response = _json_error(request, 503, code, text, reference=reference)
    else:
        about = {"title": title, "text": text, "code": code, "reference": reference}
        response = HttpResponse(loader.render_to_string("503.html", about), status=503)
    response._has_been_logged = True  # type: ignore[attr-defined]  # by us, without a traceback
    response.headers["Retry-After"] = str(RETRY_AFTER)
    response.headers["Cache-Control"] = "no-store"
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 for an outage, as Django's ``handler500``.

    Django itself logs the traceback. The page uses nothing of the request, which may be what is
    broken.
    """
    if passing := outage_response(request, sys.exception()):
        return passing
    reference = context.reference()
    if request.path.startswith(API_PATHS):
        text = _(
            "Something went wrong on our side, and we do not know how far this got. Try again; "
            "if it keeps happening, tell staff the reference %(reference)s."
        ) % {"reference": reference}
        return _json_error(request, 500, "error", text, reference=reference)
    page = loader.render_to_string("500.html", {"reference": reference})
    return HttpResponse(page, status=500)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 or 413 as Django's ``handler400``: requests refused before a view sees them."""
    status = 413 if isinstance(exception, RequestDataTooBig) else 400
    if request.path.startswith(API_PATHS):
        code, text = BAD_REQUESTS[status]
        return _json_error(request, status, code, str(text))
    return HttpResponse(loader.render_to_string("400.html"), status=status)


def _json_error(
    request: HttpRequest, status: int, code: str, text: str, **more: str
) -> HttpResponse:
    """Return an error as JSON; in the build API, it is also the event that its clients know."""
    body: dict[str, Any] = {"code": code, "detail": text, **more}
    if request.path.startswith(BUILD):
        body |= {"phase": "failed", "message": f"{text}\n", "status_code": status}
    return JsonResponse(body, status=status)
