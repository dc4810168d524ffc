"""``/api/v1/me/`` and ``/api/v1/projects/``: what stands in the answers is a contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, ClassVar, cast

from channels.db import database_sync_to_async
from django.http import Http404, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.models import User
from quotas.limits import limits_of
from sessions import cursor, journal, lifecycle
from sessions.api.serializers import LaunchSerializer, ProjectSerializer
from sessions.errors import UserError
from sessions.lifecycle import room
from sessions.models import Project
from sessions.stream import SILENCE, hub

Verb = Callable[[Project, User], Any]


def person(request: Request) -> User:
    """Who asks; the permission classes have let nobody else in."""
    return cast(User, request.user)


def find(request: Request, name: str) -> Project:
    """A project that this person may see; what they may not see is not there."""
    project = Project.objects.visible_to(request.user).filter(name=name).first()
    if project is None:
        raise Http404
    return project


class MeView(APIView):
    def get(self, request: Request) -> Response:
        user = person(request)
        return Response(
            {
                "username": user.username,
                "email": user.email,
                "is_staff": user.is_staff,
                "limits": asdict(limits_of(user)),
                "usage": asdict(room.use_of(user)),
            }
        )


class ProjectsView(APIView):
    """The person's own projects; staff find other people's by name."""

    def get(self, request: Request) -> Response:
        mine = Project.objects.visible_to(request.user).filter(owner=person(request))
        return Response(ProjectSerializer(mine.order_by("-created"), many=True).data)

    def post(self, request: Request) -> Response:
        wish = LaunchSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        project = lifecycle.launch(person(request), **wish.validated_data)
        return Response(ProjectSerializer(project).data, status=201)


class ProjectView(APIView):
    def get(self, request: Request, name: str) -> Response:
        return Response(ProjectSerializer(find(request, name)).data)

    def delete(self, request: Request, name: str) -> Response:
        lifecycle.delete(find(request, name), person(request))
        return Response(status=202)


class VerbView(APIView):
    """``POST projects/<name>/<verb>/``: 202 and the project; 409 where its state forbids it."""

    verbs: ClassVar[dict[str, Verb]] = {
        "start": lifecycle.start,
        "stop": lifecycle.stop,
        "keep": lifecycle.keep,
        "rebuild": lifecycle.rebuild,
        "cancel": lifecycle.cancel,
    }

    def post(self, request: Request, name: str, verb: str) -> Response:
        self.verbs[verb](find(request, name), person(request))
        return Response(ProjectSerializer(find(request, name)).data, status=202)


class EventStreamRenderer(BaseRenderer):
    """Lets ``Accept: text/event-stream`` be asked for; errors are still JSON."""

    media_type = "text/event-stream"
    format = "event-stream"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return JSONRenderer().render(data)


class EventsView(APIView):
    """A project's story after a cursor: a page of it, or as an event stream all that comes."""

    renderer_classes = (JSONRenderer, EventStreamRenderer)

    def get(self, request: Request, name: str) -> HttpResponseBase:
        project = find(request, name)
        after = request.headers.get("Last-Event-ID") or request.query_params.get("after", "")
        try:
            place = cursor.parse(after)
        except ValueError:
            raise UserError(
                "events.cursor", _("“after” must be a cursor from an earlier answer.")
            ) from None
        if request.accepted_renderer.format == EventStreamRenderer.format:
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return StreamingHttpResponse(
                self._live(person(request).pk, name, project.pk, place),
                content_type="text/event-stream",
                headers=headers,
            )
        page = journal.read(project.pk, place)
        return Response({"events": page.items, "next": page.next})

    async def _live(
        self, user_id: int, name: str, project_id: int, after: int
    ) -> AsyncGenerator[str]:
        clock = asyncio.get_running_loop().time
        check_at = clock() + SILENCE
        async with aclosing(hub().story(project_id, after)) as story:
            async for batch in story:
                if clock() >= check_at:
                    check_at = clock() + SILENCE
                    if not await self._still_visible(user_id, name):
                        return
                for item, place in batch:
                    yield f"id: {place}\ndata: {item}\n\n"
                if not batch:
                    yield ": still here\n\n"

    @database_sync_to_async
    def _still_visible(self, user_id: int, name: str) -> bool:
        user = User.objects.get(pk=user_id)
        return Project.objects.visible_to(user).filter(name=name).exists()
