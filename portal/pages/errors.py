"""The page for an error of ours: it carries the reference under which the log has the rest."""

from __future__ import annotations

import logging
import secrets
import sys

from django.http import HttpRequest, HttpResponse
from django.template import loader

log = logging.getLogger(__name__)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``. The page asks nothing of the request: that may be what is broken."""
    reference = secrets.token_hex(4)
    what = f"reference {reference}: {request.method} {request.path}"
    log.error(what, exc_info=sys.exception())
    page = loader.render_to_string("500.html", {"reference": reference})
    return HttpResponse(page, status=500)
