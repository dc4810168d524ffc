"""Middleware that knows a signed-in person, for pages and for WebSockets.

*The audit* records who made a change: the person who is signed in or owns the token.
django-auditlog also takes a correlation id and a port from headers that anybody can send, of any
length and size, and stores them with each change. Here no header counts.

*A new ``PORTAL_SECRET_KEY``* signs nobody out. While the old key is among the
``PORTAL_SECRET_KEY_FALLBACKS``, a sign-in from before becomes one under the new key. Django does so
too, but also gives the browser's session a new key. That would end whatever depends on the session
key: open notebooks and the sign-in at a provider. And it would sign WebSockets out. So this runs
first, as middleware for pages and around `channels.auth` for sockets. Without a fallback it makes
no queries.
"""

from __future__ import annotations

from typing import Any

from auditlog.context import auditlog_value, set_extra_data
from auditlog.middleware import AuditlogMiddleware
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.deprecation import MiddlewareMixin

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


class SessionRekey(MiddlewareMixin):
    """Middleware that carries a page's sign-in over to the present key."""

    def process_request(self, request: HttpRequest) -> None:
        """Seal the request's session with the present key if an earlier one sealed it."""
        rekey_session(request.session)


class SocketSessionRekey:
    """ASGI middleware that carries a WebSocket's sign-in over to the present key."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Carry the sign-in over, then hand the socket to the inner application."""
        await database_sync_to_async(rekey_session)(scope["session"])
        await self._inner(scope, receive, send)


def rekey_session(session: SessionBase) -> None:
    """Bind a sign-in that an earlier key vouches for to the present key."""
    if not settings.SECRET_KEY_FALLBACKS or SESSION_KEY not in session:
        return
    user = User.objects.filter(pk=session[SESSION_KEY]).first()
    held = session.get(HASH_SESSION_KEY, "")
    if user and any(
        constant_time_compare(held, before) for before in user.get_session_auth_fallback_hash()
    ):
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
