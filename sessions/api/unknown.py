"""What there is not, under ``/api/v1/``: said in JSON, as everything else here.

A slash that is missing at the end is put on, with 308: unlike 301 it keeps a POST what it is.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, JsonResponse
from django.urls import resolve
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt


class WithSlash(HttpResponsePermanentRedirect):
    status_code = 308


@csrf_exempt
def unknown(request: HttpRequest) -> HttpResponse:
    """The answer at an address that is nothing's."""
    if not request.path.endswith("/") and resolve(f"{request.path_info}/").func is not unknown:
        _path, mark, query = request.get_full_path().partition("?")
        return WithSlash(f"{request.path}/{mark}{query}")
    text = _("There is nothing at this address. The schema lists all there are.")
    body = {"code": "not_found", "detail": text}
    return JsonResponse(body, status=404, headers={"Cache-Control": "no-store"})
