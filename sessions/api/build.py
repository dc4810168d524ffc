"""BinderHub's build API: ``/build/<provider>/<spec>``, ``/versions`` and ``/api/repoproviders``.

Pages such as books with code that readers run speak it from other origins. A build is a launch like
any other: of a person, within their limits, as a project of theirs. The answer is a stream of
events in BinderHub's form, made from the project's timeline; its last one has the notebook's
address and a token that opens this notebook only. With ``build_only=true``, the environment is
built and no notebook started; the last event then names the image.

A request starts something, although it is a GET: BinderHub's clients send no other. So it needs an
API token, which no browser sends on its own. A cookie counts only in a request that a page of the
portal itself makes, as the browser says: notebooks' hosts are of the same site as the portal.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from channels.db import database_sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotAcceptable, PermissionDenied
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keys.authentication import MissingScope, TokenAuthentication
from keys.models import Token
from portal import VERSION
from sessions import lifecycle
from sessions.gateway import tickets
from sessions.gateway.authorize import NOTEBOOK_SCOPE
from sessions.models import Project
from sessions.progress import journal
from sessions.providers import REPO_PROVIDERS, launch_link, web_page
from sessions.states import Phase, ProjectState

from .endpoint import current_user, endpoint, sent_address
from .events import EVENT_STREAM, EventStreamRenderer, follow

HOLD_SECONDS = 60
"""Seconds for which the stream stays open after its last event. An `EventSource` connects again
when its stream ends, and would launch again.
"""
_ENDINGS = frozenset({Phase.READY, Phase.FAILED, Phase.STOPPED})
_COMMENT = ": still here\n\n"
_FOUND, _BUILT = "Found built image, launching...\n", "Built image, launching...\n"
_ONLY_BUILT = "The image is ready.\n"

Event = dict[str, Any]


class OwnPageAuthentication(SessionAuthentication):
    """Authentication by cookie, for requests that a page of the portal itself makes."""

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        if found and request.headers.get("Sec-Fetch-Site") != "same-origin":
            text = _(
                "To start a build from elsewhere than the portal's own pages, send an API token. "
                "That somebody is signed in does not count here."
            )
            raise PermissionDenied(text, "build.token-needed")
        return found


class HasBuildScopes(BasePermission):
    """The permission of a token: to launch, and to use the notebook if there will be one.

    Raises `MissingScope`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        for scope in ("launch",) if _is_build_only(request) else ("launch", NOTEBOOK_SCOPE):
            if isinstance(request.auth, Token) and not request.auth.allows(scope):
                raise MissingScope(scope)
        return True


class BuildView(APIView):
    """``/build/<provider>/<spec>``: launch what a launch link names, and follow it."""

    acts_on_get = True
    schema = None  # BinderHub's API, not ours: docs/binder.md
    http_method_names = ["get"]  # noqa: RUF012  (a HEAD must not launch)
    authentication_classes = (TokenAuthentication, OwnPageAuthentication)
    permission_classes = (IsAuthenticated, HasBuildScopes)
    renderer_classes = (JSONRenderer, EventStreamRenderer)

    def get(self, request: Request) -> HttpResponseBase:
        """Launch it, or join this person's launch of the same, and stream its events."""
        if not _accepts_events(request):
            raise NotAcceptable(_("Ask for a stream of events: send “Accept: text/event-stream”."))
        spec, link = _launch_link(request)
        only = _is_build_only(request)
        project = lifecycle.launch_link(current_user(request), link, build_only=only)
        return StreamingHttpResponse(
            _stream(request, project, spec),
            content_type=EVENT_STREAM,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    def handle_exception(self, exc: Exception) -> Response:
        """Answer errors with a status and JSON, which is also the event that clients know."""
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        response = super().handle_exception(exc)
        message = f"{response.data['detail']}\n"
        failed = {"phase": "failed", "message": message, "status_code": response.status_code}
        response.data = {**response.data, **failed}
        return response


def _accepts_events(request: Request) -> bool:
    """Return whether the stream is asked for by its name: a link's ``*/*`` is not enough."""
    types = request.accepted_types
    return any((each.main_type, each.sub_type) == ("text", "event-stream") for each in types)


def _is_build_only(request: Request) -> bool:
    """Return whether only the environment is to be built."""
    return request.query_params.get("build_only", "").lower() == "true"


def _launch_link(request: Request) -> tuple[str, str]:
    """Return what was asked for, ``gh/owner/repository/ref``, and its launch link."""
    path, _mark, query = sent_address(request).partition("?")
    spec = path.removeprefix("/build").strip("/")
    fields = parse_qsl(query, keep_blank_values=True, errors="replace")
    kept = urlencode([(name, value) for name, value in fields if not name.startswith("build_")])
    return spec, f"/v2/{spec}?{kept}"


async def _stream(request: Request, project: Project, spec: str) -> AsyncGenerator[str]:
    """Yield the events in the stream's form; comments in silence, and for a while after the end."""
    async with aclosing(_events(request, project, spec)) as events:
        async for event in events:
            yield f"data: {json.dumps(event)}\n\n" if event else _COMMENT
    until = asyncio.get_running_loop().time() + HOLD_SECONDS
    while asyncio.get_running_loop().time() < until:
        await asyncio.sleep(settings.PORTAL_LIVE_RECHECK)
        yield _COMMENT


async def _events(request: Request, project: Project, spec: str) -> AsyncGenerator[Event | None]:
    """Yield what happens to the project, from the beginning of its launch; None in silence."""
    yield {"phase": Phase.WAITING, "message": "Waiting for build to start...\n"}
    has_log, only = False, _is_build_only(request)
    start = await database_sync_to_async(journal.launch_start)(project)
    async with aclosing(follow(request, project, start, log=True)) as batches:
        async for batch in batches:
            for item in [json.loads(text) for text, _cursor in batch]:
                for event in _translated(item, has_log=has_log):
                    completed = await _completed(event, request, project, spec)
                    if completed["phase"] == Phase.BUILT and only:
                        built = completed | {"message": _ONLY_BUILT}
                        yield built
                        yield built | {"phase": Phase.READY}
                        return
                    yield completed
                if item["phase"] in _ENDINGS:
                    return
                has_log |= bool(item.get("log"))
            if not batch:
                yield None


def _translated(item: Event, *, has_log: bool) -> Iterator[Event]:
    """Yield the events of BinderHub for an item of a project's timeline."""
    phase, message = item["phase"], item["message"]
    if item.get("log"):
        yield from ({"phase": phase, "message": f"{line}\n"} for line in message.split("\n"))
    elif phase == Phase.BUILT:
        yield {"phase": phase, "message": _BUILT if has_log else _FOUND}
    elif phase == Phase.LAUNCHING:
        yield {"phase": phase, "message": "Launching server...\n"}
        yield {"phase": phase, "message": f"{message}\n"}
    else:
        code = {"code": item["code"]} if item.get("code") else {}
        phase = Phase.FAILED if phase == Phase.STOPPED else phase
        yield {"phase": phase, "message": f"{message}\n", **code}


@database_sync_to_async
def _completed(event: Event, request: Request, project: Project, spec: str) -> Event:
    """Return the event with what its phase promises of the project as it is now."""
    if event["phase"] not in {Phase.BUILT, Phase.READY}:
        return event
    now = Project.objects.select_related("current__build").get(pk=project.pk)
    image = now.current.build.image if now.current and now.current.build else ""
    if event["phase"] == Phase.BUILT:
        return {**event, "imageName": image}
    if now.state != ProjectState.READY:
        text = _("The notebook has ended already. Launch it again.")
        return {"phase": Phase.FAILED, "message": f"{text}\n", "code": "project.state"}
    token = request.auth if isinstance(request.auth, Token) else None
    browser = "" if token else request.session.session_key or ""
    url = now.notebook_url
    source = now.content_source
    if source and now.content_commit:
        source = replace(source, ref=now.content_commit)
    found = replace(now.as_repository(), content_source=source)
    at_commit = replace(found, ref=now.commit, path="", urlpath="")
    page = web_page(at_commit)
    return {
        "phase": Phase.READY,
        "message": f"server running at {url}\n",
        "url": url,
        "token": tickets.issue_notebook_token(now, token, browser),
        "image": image,
        "repo_url": page.repository,
        "binder_ref_url": page.ref,
        "binder_launch_host": f"{settings.PORTAL_URL}/",
        "binder_request": f"v2/{spec}",
        "binder_persistent_request": launch_link(at_commit).lstrip("/"),
    }


build = endpoint(BuildView)


@require_safe
def versions(request: HttpRequest) -> HttpResponse:
    """Answer ``/versions``, by which programs recognize a BinderHub."""
    builder = {"name": "bindery", "backend": settings.PORTAL_BACKEND}
    return _for_everybody({"binderhub": VERSION, "builder_info": builder})


@require_safe
def repo_providers(request: HttpRequest) -> HttpResponse:
    """Answer ``/api/repoproviders``: where repositories may come from, as BinderHub's form asks."""
    return _for_everybody(REPO_PROVIDERS)


def _for_everybody(content: Any) -> HttpResponse:
    headers = {"Access-Control-Allow-Origin": "*"}
    return JsonResponse(content, safe=False, headers=headers)
