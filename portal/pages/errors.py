"""Answer requests that fail, as a page for people and as JSON below ``/api/``.

It covers errors of ours, requests that cannot be read, and times when the database or the disk is
not available, which is nobody's mistake and passes. Answers to errors carry the request's reference
(`portal.lib.logs`).
"""

from __future__ import annotations

import logging
import sys

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.lib.logs import context
from sessions import outages

log = logging.getLogger(__name__)

RETRY_AFTER = 10
"""Seconds after which to try again."""


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
    if request.path.startswith("/api/"):
        body = {"code": code, "detail": text, "reference": reference}
        response = JsonResponse(body, status=503)
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
    if request.path.startswith("/api/"):
        return _json_server_error(reference)
    page = loader.render_to_string("500.html", {"reference": reference})
    return HttpResponse(page, status=500)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 or 413 as Django's ``handler400``: requests refused before a view sees them."""
    status = 413 if isinstance(exception, RequestDataTooBig) else 400
    if request.path.startswith("/api/"):
        code, text = _BAD_REQUESTS[status]
        return JsonResponse({"code": code, "detail": text}, status=status)
    return HttpResponse(loader.render_to_string("400.html"), status=status)


_BAD_REQUESTS = {
    400: ("bad_request", gettext_lazy("The request could not be read. Look at its address.")),
    413: ("too_large", gettext_lazy("The body is larger than anything that is taken here.")),
}


def _json_server_error(reference: str) -> HttpResponse:
    text = _(
        "Something went wrong on our side, and it is not known how far this got. Try again; if it"
        " stays, tell the staff the reference %(reference)s."
    )
    body = {"code": "error", "detail": text % {"reference": reference}, "reference": reference}
    return JsonResponse(body, status=500)
