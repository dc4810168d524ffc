"""A new ``PORTAL_SECRET_KEY`` signs nobody out while the one before is among the
``PORTAL_SECRET_KEY_FALLBACKS``: a sign-in from before becomes one under the new key.

Django does so too, and gives the browser's session another name with it: that would end what goes
by the name, its open notebooks and its sign-in at a provider; and its sockets it would sign out.
So this comes first, for pages as middleware and for sockets around `channels.auth`. Without a
fallback it asks nothing.
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


class CarryOver(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        carry_over(request.session)


class CarryOverSockets:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await database_sync_to_async(carry_over)(scope["session"])
        await self._inner(scope, receive, send)


def carry_over(session: SessionBase) -> None:
    """Bind a sign-in that an earlier key vouches for to the present one."""
    if not settings.SECRET_KEY_FALLBACKS or SESSION_KEY not in session:
        return
    user = User.objects.filter(pk=session[SESSION_KEY]).first()
    held = session.get(HASH_SESSION_KEY, "")
    if user and any(
        constant_time_compare(held, before) for before in user.get_session_auth_fallback_hash()
    ):
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
