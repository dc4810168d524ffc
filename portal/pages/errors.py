"""The answer to an error of ours: it carries the reference of the request (`portal.logs`).

A page for people; for programs, under ``/api/``, the same as JSON.
"""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.translation import gettext as _

from portal import outages
from portal.logs import context


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``; the log has the traceback from Django itself. The page asks nothing
    of the request: that may be what is broken."""
    if passing := outages.answer(request, sys.exception()):
        return passing
    reference = context.reference()
    if request.path.startswith("/api/"):
        return _for_program(reference)
    page = loader.render_to_string("500.html", {"reference": reference})
    return HttpResponse(page, status=500)


def _for_program(reference: str) -> HttpResponse:
    text = _(
        "Something went wrong on our side, and it is not known how far this got. Try again; if it"
        " stays, tell the staff the reference %(reference)s."
    )
    body = {"code": "error", "detail": text % {"reference": reference}, "reference": reference}
    return JsonResponse(body, status=500)
