"""Answer every error of the API in one form.

It is ``{"code": "...", "detail": "..."}``, with more fields where they help. An unknown address
under ``/api/v1/`` is answered in JSON too. A missing slash at the end is added with a 308 redirect,
which unlike 301 keeps a POST a POST.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponsePermanentRedirect,
    JsonResponse,
)
from django.urls import resolve
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from portal.lib.logs.context import reference
from sessions.errors import BinderyError, NotYet


def api_exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an exception that left a view; None if it is an unexpected error."""
    response = _response(error, context)
    if response is not None and response.status_code >= 500:
        response.data["reference"] = reference()
    return response


def _response(error: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(error, BinderyError):
        body = {"code": error.code, "detail": error.message, **error.details}
        headers = {"Retry-After": str(error.retry_after)} if isinstance(error, NotYet) else None
        return Response(body, status=error.status, headers=headers)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = exception_handler(error, context)
    if response is not None and isinstance(error, exceptions.ValidationError):
        found = error.detail
        fields = found if isinstance(found, dict) else {api_settings.NON_FIELD_ERRORS_KEY: found}
        response.data = {"code": "invalid", "detail": _first(found), "fields": fields}
    elif response is not None and isinstance(error, exceptions.APIException):
        response.data = {"code": _code(error), "detail": str(error.detail)}
    return response


def _code(error: exceptions.APIException) -> str:
    return getattr(error.detail, "code", None) or error.default_code


def _first(detail: Any) -> str:
    """Return the first sentence of a validation error, with its field."""
    if isinstance(detail, dict):
        field, rest = next(iter(detail.items()))
        return f"{field}: {_first(rest)}"
    return _first(detail[0]) if isinstance(detail, list) else str(detail)


class PermanentRedirect308(HttpResponsePermanentRedirect):
    """A permanent redirect that keeps the method."""

    status_code = 308


@csrf_exempt
def not_found(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer 404 at an unknown address, or redirect if only the slash at the end is missing."""
    if not request.path.endswith("/") and resolve(f"{request.path_info}/").func is not not_found:
        _path, mark, query = request.get_full_path().partition("?")
        return PermanentRedirect308(f"{request.path}/{mark}{query}")
    text = _("There is nothing at this address. The schema lists every address.")
    body = {"code": "not_found", "detail": text}
    return JsonResponse(body, status=404, headers={"Cache-Control": "no-store"})
