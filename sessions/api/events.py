"""``/api/v1/projects/<name>/events/``: a project's events after a cursor, in pages or live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keys.authentication import is_still_valid
from portal.models import User
from sessions.api.endpoint import NotJsonRenderer, current_user, get_project
from sessions.api.serializers import EventPageSerializer
from sessions.errors import UserError
from sessions.gateway.authorize import is_session_of
from sessions.models import Project
from sessions.progress import journal
from sessions.progress.broadcast import Batch, hub

EVENT_STREAM = "text/event-stream"


class EventStreamRenderer(NotJsonRenderer):
    """A renderer that allows ``Accept: text/event-stream``."""

    media_type = EVENT_STREAM
    format = "event-stream"


class EventsView(APIView):
    """The events of a project."""

    renderer_classes = (JSONRenderer, EventStreamRenderer)

    @extend_schema(
        operation_id="list_events",
        summary="Events and build log",
        parameters=[
            OpenApiParameter("after", int, description="A cursor: return the events after it."),
            OpenApiParameter(
                "Last-Event-ID",
                int,
                OpenApiParameter.HEADER,
                description="Like `after`; browsers send it when they reconnect to a stream.",
            ),
        ],
        responses={
            (200, "application/json"): EventPageSerializer,
            (200, EVENT_STREAM): OpenApiResponse(
                OpenApiTypes.STR, description="New events as they happen."
            ),
        },
    )
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """Return the project's events after a cursor, or stream them.

        The answer is one page, or with `Accept: text/event-stream` all events that follow, live.
        Each event of the stream has its cursor as `id:` and the same JSON as `data:`. Only the
        owner gets the build log of a private repository.
        """
        project = get_project(request, name)
        log = project.shows_log_to(current_user(request))
        cursor = _cursor(request)
        if request.accepted_renderer.format == EventStreamRenderer.format:
            return StreamingHttpResponse(
                self._stream(request, project, cursor, log=log),
                content_type=EVENT_STREAM,
                headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            )
        page = (journal.read if log else journal.read_events)(project.pk, cursor)
        return Response({"events": page.items, "next": page.next})

    def handle_exception(self, exc: Exception) -> Response:
        """Answer errors in JSON, even if a stream was asked for."""
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return super().handle_exception(exc)

    async def _stream(
        self, request: Request, project: Project, after: int, *, log: bool
    ) -> AsyncGenerator[str]:
        async with aclosing(follow(request, project, after, log=log)) as batches:
            async for batch in batches:
                for item, cursor in batch:
                    yield f"id: {cursor}\ndata: {item}\n\n"
                if not batch:
                    yield ": still here\n\n"


async def follow(
    request: Request, project: Project, after: int, *, log: bool
) -> AsyncGenerator[Batch]:
    """Yield what `hub` does of a project's timeline, for as long as the person may read it."""
    clock = asyncio.get_running_loop().time
    check_at = clock() + settings.PORTAL_LIVE_RECHECK
    async with aclosing(hub().timeline(project.pk, after, log=log)) as batches:
        async for batch in batches:
            if clock() >= check_at:
                check_at = clock() + settings.PORTAL_LIVE_RECHECK
                if not await _is_still_visible(request, project.name):
                    return
            yield batch


@database_sync_to_async
def _is_still_visible(request: Request, name: str) -> bool:
    user = User.objects.get(pk=current_user(request).pk)
    visible = Project.objects.get_visible(name, user) is not None
    if request.auth is None:  # a browser: check its sign-in again
        browser = SessionStore(request.session.session_key).load()
        return is_session_of(user, browser) and visible
    return is_still_valid(request.auth) and visible


def _cursor(request: Request) -> int:
    after = request.headers.get("Last-Event-ID") or request.query_params.get("after", "")
    try:
        return journal.parse_cursor(after)
    except ValueError:
        text = _("“after” must be a cursor from an earlier response.")
        raise UserError("events.cursor", text) from None
