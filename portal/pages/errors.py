"""The answers to an error of ours, which carries the reference of the request (`portal.logs`), and
to a request that cannot be read.

A page for people; for programs, under ``/api/``, the same as JSON.
"""

from __future__ import annotations

import sys

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler400``: for what is refused before a view has seen it."""
    status = 413 if isinstance(exception, RequestDataTooBig) else 400
    if request.path.startswith("/api/"):
        code, text = _REFUSED[status]
        return JsonResponse({"code": code, "detail": text}, status=status)
    return HttpResponse(loader.render_to_string("400.html"), status=status)


_REFUSED = {
    400: ("bad_request", gettext_lazy("The request could not be read. Look at its address.")),
    413: ("too_large", gettext_lazy("The body is larger than anything that is taken here.")),
}


def _for_program(reference: str) -> HttpResponse:
    text = _(
        "Something went wrong on our side, and it is not known how far this got. Try again; if it"
        " stays, tell the staff the reference %(reference)s."
    )
    body = {"code": "error", "detail": text % {"reference": reference}, "reference": reference}
    return JsonResponse(body, status=500)
