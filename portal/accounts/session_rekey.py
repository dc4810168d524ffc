"""Keep people signed in when ``PORTAL_SECRET_KEY`` changes.

While the old key is among the ``PORTAL_SECRET_KEY_FALLBACKS``, a sign-in from before becomes one
under the new key. Django does so too, but also gives the browser's session a new key. That would
end whatever depends on the session key: open notebooks and the sign-in at a provider. And it would
sign WebSockets out. So this runs first, as middleware for pages and around `channels.auth` for
sockets. Without a fallback it makes no queries.
"""

from __future__ import annotations

from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.deprecation import MiddlewareMixin

from portal.models import User


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
