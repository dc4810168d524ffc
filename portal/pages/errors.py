"""The answer to an error of ours: it carries the reference under which the log has the rest.

A page for people; for programs, under ``/api/``, the same as JSON.
"""

from __future__ import annotations

import logging
import secrets
import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.translation import gettext as _

log = logging.getLogger(__name__)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``. The page asks nothing of the request: that may be what is broken."""
    reference = secrets.token_hex(4)
    what = f"reference {reference}: {request.method} {request.path}"
    log.error(what, exc_info=sys.exception())
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
