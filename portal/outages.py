"""The answer while the database does not do what a page needs: nobody's mistake, and it passes.

A page for people; for programs, under ``/api/``, the same as JSON. `pages.errors` asks for it.
"""

from __future__ import annotations

import logging

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.translation import gettext as _

from portal.logs import context
from sessions import awaydatabase, fulldisk

log = logging.getLogger(__name__)

AGAIN = 10
"""Seconds after which to ask again."""


def answer(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """503 with what passes by itself, or None where ``error`` is something else."""
    if not isinstance(error, DatabaseError | InterfaceError | OSError):
        return None
    if fulldisk.is_behind(error):
        log.warning("%s %s: the disk is full (%s)", request.method, request.path, error)
        return _said(request, fulldisk.CODE, _("The portal's disk is full"), fulldisk.sentence())
    if awaydatabase.is_behind(error):
        log.warning("%s %s: no database (%s)", request.method, request.path, error)
        return _said(request, awaydatabase.CODE, _("Back in a moment"), awaydatabase.sentence())
    return None


def _said(request: HttpRequest, code: str, title: str, text: str) -> HttpResponse:
    response: HttpResponse
    reference = context.reference()
    if request.path.startswith("/api/"):
        body = {"code": code, "detail": text, "reference": reference}
        response = JsonResponse(body, status=503)
    else:
        about = {"title": title, "text": text, "code": code, "reference": reference}
        response = HttpResponse(loader.render_to_string("503.html", about), status=503)
    response._has_been_logged = True  # type: ignore[attr-defined]  # by us, without a traceback
    response.headers["Retry-After"] = str(AGAIN)
    response.headers["Cache-Control"] = "no-store"
    return response
