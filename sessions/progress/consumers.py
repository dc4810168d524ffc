"""The portal's WebSockets: a project's timeline, a build's log, and changes for the dashboard.

They keep no permission: whether a person may read is checked when they connect and every few
seconds after. `broadcast` delivers what they send.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.urls import path

from keys import authentication
from keys.authentication import bearer_token
from keys.models import Token
from portal.models import User, may_enter
from sessions.gateway.authorize import is_session_of
from sessions.models import Build, Project
from sessions.outages import is_database_away_error

from . import journal
from .broadcast import hub

NOT_FOUND = 4404
INTERNAL_ERROR, TRY_AGAIN_LATER = 1011, 1013
"""Close codes of RFC 6455's registry. Pages come back by themselves after either."""
READ_SCOPE = "read"
RESPONSE = "websocket.http.response"

log = logging.getLogger(__name__)


class LiveConsumer(AsyncWebsocketConsumer):
    """A WebSocket that sends what `messages` yields, as long as `is_allowed` says so."""

    sender: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        try:
            self.user = await authenticate(self.scope)
        except authentication.MissingScope as missing:
            await self.refuse(
                403,
                json.dumps(
                    {"code": authentication.MISSING_SCOPE_CODE, "detail": str(missing.detail)}
                ),
            )
            return
        if not await self.is_allowed():
            await self.refuse()
            return
        await self.accept()
        self.sender = asyncio.create_task(self.run())

    async def refuse(self, status: int = 404, body: str = "") -> None:
        """Answer the handshake with this status; close the socket if the server cannot do that."""
        scope: Any = self.scope
        if "websocket.http.response" in (scope.get("extensions") or {}):
            headers = [(b"content-type", b"application/json")] if body else []
            await self.send_raw({"type": f"{RESPONSE}.start", "status": status, "headers": headers})
            await self.send_raw({"type": f"{RESPONSE}.body", "body": body.encode()})
            await asyncio.sleep(0)  # let the server take the answer before this consumer ends
        else:
            await self.close(4000 + status)

    async def send_raw(self, message: Any) -> None:
        """Send an ASGI message as it is."""
        await self.base_send(message)

    async def run(self) -> None:
        """Send messages until the person may no longer read this, and close the socket then.

        It is closed after an error as well: a socket that stays open and silent would tell nobody
        that something is missing.
        """
        try:
            await self.send_messages()
        except OSError:  # the other side has gone
            return
        except Exception as error:
            is_away = is_database_away_error(error)
            log.warning("a live reader was disconnected: %s", error, exc_info=not is_away)
            await self.close(TRY_AGAIN_LATER if is_away else INTERNAL_ERROR)
        else:
            await self.close(NOT_FOUND)

    async def send_messages(self) -> None:
        """Send messages until the person has signed out or may no longer read this."""
        clock = asyncio.get_running_loop().time
        checked = clock()
        async with aclosing(self.messages()) as batches:
            async for batch in batches:
                if clock() - checked > settings.PORTAL_LIVE_RECHECK:
                    checked = clock()
                    if not (await is_signed_in(self.scope) and await self.is_allowed()):
                        return
                for message in batch:
                    await self.send(text_data=message)

    async def disconnect(self, code: int) -> None:
        if self.sender:
            self.sender.cancel()

    async def is_allowed(self) -> bool:
        """Return whether this person may (still) read this."""
        raise NotImplementedError

    def messages(self) -> AsyncGenerator[list[str]]:
        """Yield messages to send, in batches; an empty one every few seconds of silence."""
        raise NotImplementedError


class TimelineConsumer(LiveConsumer):
    """``/ws/projects/<name>/?after=<cursor>``: a project's events and log, then new ones.

    Only its owner gets the log of a private repository's build.
    """

    async def is_allowed(self) -> bool:
        """Return whether the project exists for this person."""
        self.project_id = await find_project(self.user, self.scope["url_route"]["kwargs"]["name"])
        return self.project_id is not None

    async def messages(self) -> AsyncGenerator[list[str]]:
        """Yield the project's events and log after the cursor, then new ones."""
        project_id = self.project_id or 0
        log = await shows_log(self.user, project_id)
        async with aclosing(
            hub().timeline(project_id, cursor_from_scope(self.scope), log=log)
        ) as batches:
            async for batch in batches:
                yield [item for item, _place in batch]


class LogConsumer(LiveConsumer):
    """``/ws/builds/<id>/?after=<cursor>``: a build's log, then new output; for staff.

    Only its owner gets the log of a private repository's build.
    """

    async def is_allowed(self) -> bool:
        """Return whether this person may see the build's log."""
        return await may_see_build(self.user, self.scope["url_route"]["kwargs"]["pk"])

    async def messages(self) -> AsyncGenerator[list[str]]:
        """Yield the build's log after the cursor, then new output."""
        build_id = self.scope["url_route"]["kwargs"]["pk"]
        async with aclosing(hub().log(build_id, cursor_from_scope(self.scope))) as log:
            async for batch in log:
                yield [item for item, _place in batch]


class ProjectListConsumer(LiveConsumer):
    """``/ws/projects/``: ``{"changed": true}`` when one of the person's projects has changed."""

    async def is_allowed(self) -> bool:
        """Return whether the person is signed in and may enter."""
        return self.user is not None and await is_active(self.user)

    async def messages(self) -> AsyncGenerator[list[str]]:
        """Yield a message for each change of one of the person's projects."""
        async with aclosing(
            hub().project_list_changes(self.user.pk if self.user else 0)
        ) as changes:
            async for changed in changes:
                yield ['{"changed": true}'] if changed else []


def cursor_from_scope(scope: Any) -> int:
    """Return the cursor in the address, or the beginning if there is none that makes sense."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    try:
        return journal.parse_cursor(query.get("after", [""])[0])
    except ValueError:
        return 0


def token_from_scope(scope: Any) -> str:
    """Return the API token that came with the handshake, or ""."""
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
    return bearer_token(headers.get("authorization", ""))


@database_sync_to_async
def authenticate(scope: Any) -> User | None:
    """Return who connects: by API token, or signed in in this browser. Raises `MissingScope`."""
    if secret := token_from_scope(scope):
        token = Token.objects.find_by_secret(secret)
        if token and not token.allows(READ_SCOPE):
            raise authentication.MissingScope(READ_SCOPE)
        return token.user if token else None
    user = scope["user"]
    return User.objects.get(pk=user.pk) if user.is_authenticated else None


@database_sync_to_async
def find_project(user: User | None, name: str) -> int | None:
    """Return the number of the project of this name, or None if the person may not see it."""
    now = reload_user(user)
    project = Project.objects.get_visible(name, now) if now else None
    return project.pk if project else None


@database_sync_to_async
def may_see_build(user: User | None, pk: int) -> bool:
    """Return whether the person may see this build and read its log."""
    now = reload_user(user)
    build = Build.objects.visible_to(now).filter(pk=pk).first() if now else None
    return now is not None and build is not None and build.shows_log_to(now)


@database_sync_to_async
def shows_log(user: User | None, project_id: int) -> bool:
    """Return whether the person may read the project's log."""
    project = Project.objects.filter(pk=project_id).first()
    return user is not None and project is not None and project.shows_log_to(user)


def reload_user(user: User | None) -> User | None:
    """Return the person as they are now: rights may be taken away while a socket is open."""
    return User.objects.filter(may_enter(), pk=user.pk).first() if user else None


@database_sync_to_async
def is_signed_in(scope: Any) -> bool:
    """Return whether the token or the browser's sign-in that they came with is still valid."""
    if secret := token_from_scope(scope):
        token = Token.objects.find_by_secret(secret)
        return token is not None and token.allows(READ_SCOPE)
    user = reload_user(scope["user"])
    # Read again: the person may have signed out since the handshake, here or everywhere.
    browser = SessionStore(scope["session"].session_key).load()
    return user is not None and is_session_of(user, browser)


@database_sync_to_async
def is_active(user: User) -> bool:
    """Return whether the person may still use the portal."""
    return reload_user(user) is not None


routes: list[Any] = [
    path("ws/projects/", cast(Any, ProjectListConsumer.as_asgi())),
    path("ws/projects/<slug:name>/", cast(Any, TimelineConsumer.as_asgi())),
    path("ws/builds/<int:pk>/", cast(Any, LogConsumer.as_asgi())),
]
