"""Who may read ``/metrics``: who brings ``PORTAL_METRICS_TOKEN``, and staff who may see sessions.

Nobody may for being on the same machine: builds and notebooks are, and they are strangers' code.
"""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from keys.authentication import bearer
from portal.logs.requests import present
from portal.metrics import scrape

PATH = "/metrics"
MAY = "notebook_sessions.view_session"
PLAIN = "text/plain; charset=utf-8"


class ByToken(MiddlewareMixin):
    """Before everything else: Prometheus asks each process by its own address, which is no host
    of the portal's, and it needs neither session nor database."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        token = bearer(request.headers.get("Authorization", ""))
        if request.path_info != PATH or not token:
            return None
        if asked := present():
            asked.route = "metrics"
        return _by_token(request, token)


@never_cache
@require_safe
def _by_token(request: HttpRequest, token: str) -> HttpResponse:
    wanted = settings.PORTAL_METRICS_TOKEN
    if wanted and constant_time_compare(token, wanted):
        return _scrape()
    return _refusal(401, _("This token does not open the metrics: it is not PORTAL_METRICS_TOKEN."))


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For staff who are signed in."""
    if _is_staff(request):
        return _scrape()
    return _refusal(
        401,
        _(
            "Metrics are for operators. Set PORTAL_METRICS_TOKEN and send it as a bearer token, or"
            " sign in as staff."
        ),
    )


def _is_staff(request: HttpRequest) -> bool:
    try:
        user = request.user
        return user.is_authenticated and user.may_enter and user.is_staff and user.has_perm(MAY)
    except (DatabaseError, InterfaceError):
        return False


def _scrape() -> HttpResponse:
    return HttpResponse(scrape.text(), content_type=scrape.CONTENT_TYPE)


def _refusal(status: int, sentence: str) -> HttpResponse:
    headers = {"WWW-Authenticate": "Bearer"}
    return HttpResponse(f"{sentence}\n", status=status, content_type=PLAIN, headers=headers)
