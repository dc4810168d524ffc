"""Whose change it is, for the audit: said by who is signed in or by a token, by no header.

django-auditlog takes a correlation id and a port from headers that anybody sends, of any length and
size, and stores them with each change.
"""

from __future__ import annotations

from typing import Any

from auditlog.context import auditlog_value, set_extra_data
from auditlog.middleware import AuditlogMiddleware
from django.http import HttpRequest, HttpResponse

from portal.models import User


class Audit(AuditlogMiddleware):  # type: ignore[misc]
    """django-auditlog's, which notes the person of each request and nothing else."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with set_extra_data(context_data={"actor": self._get_actor(request)}):
            answer: HttpResponse = self.get_response(request)
            return answer


def acts(user: User) -> None:
    """Have all further changes of this request be this person's: somebody who has come by a token,
    or signs in with it, was nobody when it began."""
    context: dict[str, Any] | None = auditlog_value.get(None)
    if context is not None:
        context["actor"] = user


def hidden(_secret: str) -> str:
    """Return what stands in the audit for a secret that was changed."""
    return "…"
