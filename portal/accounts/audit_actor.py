"""Record who made a change in the audit: the person who is signed in or owns the token.

django-auditlog also takes a correlation id and a port from headers that anybody can send, of any
length and size, and stores them with each change. Here no header counts.
"""

from __future__ import annotations

from typing import Any

from auditlog.context import auditlog_value, set_extra_data
from auditlog.middleware import AuditlogMiddleware
from django.http import HttpRequest, HttpResponse

from portal.models import User


class AuditMiddleware(AuditlogMiddleware):  # type: ignore[misc]
    """django-auditlog's middleware, reduced to recording the person of each request."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with set_extra_data(context_data={"actor": self._get_actor(request)}):
            answer: HttpResponse = self.get_response(request)
            return answer


def set_actor(user: User) -> None:
    """Attribute all further changes of this request to the person.

    For people who come with a token, or sign in with this request: when it began, nobody was known.
    """
    context: dict[str, Any] | None = auditlog_value.get(None)
    if context is not None:
        context["actor"] = user


def mask_secret(_secret: str) -> str:
    """Return the text that stands in the audit for a changed secret."""
    return "…"
