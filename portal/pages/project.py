"""A project's page and its build log: first how its launch goes, then what the project is.

`steps` computes the steps of a launch. The last lines of the log are in the page itself, for
browsers without JavaScript; scripts get the log by WebSocket.
"""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.template import loader
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from keys import keypairs
from portal.models import User
from portal.pages.launch import LaunchFields, share_texts
from portal.pages.responses import find_project, htmx, person, redirect_to, signed_in
from portal.pages.steps import Step, StepEvent, progress_of, steps_of
from quotas.limits import limits_of
from sessions.git.errors import key_page
from sessions.git.resolve import offered_refs
from sessions.lifecycle import admission
from sessions.models import Build, Event, LogChunk, Preview, Project
from sessions.preview import run
from sessions.progress import journal
from sessions.progress.journal import Cursor
from sessions.states import FOLLOWS_BUILD, BuildState, Phase, ProjectState

MISSING_REF_CODES = ("launch.ref-not-found", "launch.no-default-branch")
CHUNKS = 200
TAIL = 300
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f]"
)
_ERROR_PATTERN = re.compile(
    r"error|fail|fatal|exception|cannot|could not|denied|not found|no such|no matching"
    r"|killed|out of memory|no space|timed? ?out",
    re.IGNORECASE,
)


def last_lines(build_id: int, count: int) -> list[str]:
    """Return the last lines of a build's log, oldest first, without colours or cursor movements."""
    newest = LogChunk.objects.filter(build=build_id).order_by("-seq").values_list("text", flat=True)
    lines: list[str] = []
    for text in newest[:CHUNKS]:
        lines[:0] = [strip_control(line) for line in text.split("\n")]
        if len(lines) >= count:
            break
    return lines[-count:]


def error_lines(build_id: int, count: int = 3) -> list[str]:
    """Return the last lines that report a problem; the very last lines if none does."""
    lines = [line for line in last_lines(build_id, TAIL) if line.strip()]
    reported = list(
        islice((line for line in reversed(lines) if _ERROR_PATTERN.search(line)), count)
    )
    return reported[::-1] or lines[-count:]


def strip_control(line: str) -> str:
    """Return a line as a terminal finally shows it: only what follows the last carriage return."""
    return _CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2])


LAUNCHING_STATES = frozenset({ProjectState.WAITING, ProjectState.BUILDING, ProjectState.SPAWNING})
MAX_EVENTS = 100
MAX_LINES = 500
"""Lines of the log for browsers without JavaScript; the download has all."""


@never_cache
@require_safe
@signed_in
def project(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show ``/projects/<name>/``; for a deleted project, a page that restores it.

    The log comes by WebSocket, from the session's first line on.
    """
    if gone := Project.objects.get_restorable(name, person(request)):
        return _deleted(request, gone)
    found = find_project(request, name)
    build = found.current.build if found.current else None
    readable = build if found.shows_log_to(person(request)) else None
    context = {
        **_status(request, found),
        "start_cursor": journal.launch_start(found),
        "last_cursor": Cursor(found.events_written).pack(),
        "lines": "\n".join(last_lines(readable.pk, MAX_LINES)) if readable else "",
    }
    return render(request, "portal/project.html", context)


@never_cache
@require_safe
@signed_in
def status(request: HttpRequest, name: str) -> HttpResponseBase:
    """Return the parts of the page that change with the project's state, for htmx.

    If the project is deleted while its page is open, the page is loaded again and says so.
    """
    try:
        project = find_project(request, name)
    except Http404:
        if not htmx(request):
            raise
        return redirect_to(request, reverse("project", args=[name]))
    context = {**_status(request, project), "is_fragment": True}
    return render(request, "portal/_status.html", context)


@never_cache
@require_safe
@signed_in
def log(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send ``log.txt``: the whole log of the current session's build, as plain text.

    Raises `Http404` if there is none, or none that this person may read.
    """
    found = find_project(request, name)
    if not found.current or not found.current.build_id or not found.shows_log_to(person(request)):
        raise Http404
    return StreamingHttpResponse(
        journal.log_text(found.current.build_id),
        content_type="text/plain; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.log.txt"',
            "X-Content-Type-Options": "nosniff",
        },
    )


PREVIEW_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
"""Whatever a preview contains: no script runs, and nothing is loaded or sent."""
THEMES = ("light", "dark")
PREVIEW_PROBLEMS = {
    run.TOO_LARGE_CODE: gettext_lazy("This file is too large for a preview."),
    run.INVALID_CODE: gettext_lazy("This file cannot be shown here. The build goes on."),
    run.LIMITS_CODE: gettext_lazy(
        "A preview of this file takes too much time or memory. The build goes on."
    ),
    run.UNAVAILABLE_CODE: gettext_lazy("This portal cannot make previews at present."),
}


@never_cache
@require_safe
@signed_in
@xframe_options_sameorigin
def preview(request: HttpRequest, name: str) -> HttpResponseBase:
    """Return what the project opens as a page for a frame that can do nothing.

    Raises `Http404` if there is none, or none that this person may read.
    """
    found = _preview(find_project(request, name), person(request))
    if not found or not found.html:
        raise Http404
    html = mark_safe(found.html)  # noqa: S308 -- the policy makes it harmless, whatever it is
    theme = request.GET.get("theme")  # the frame itself knows the system's alone
    shown = {"name": found.name, "html": html, "theme": theme if theme in THEMES else ""}
    text = loader.render_to_string("portal/preview.html", shown)
    headers = {"Content-Security-Policy": PREVIEW_POLICY, "X-DNS-Prefetch-Control": "off"}
    return HttpResponse(text, headers=headers)


def _preview(project: Project, reader: User) -> Preview | None:
    """Return the preview of what the project opens, if this person may read it."""
    return Preview.objects.of(project) if project.shows_log_to(reader) else None


def _deleted(request: HttpRequest, project: Project) -> HttpResponseBase:
    context = {
        "project": project,
        "is_read_only": not project.may_be_changed_by(person(request)),
        **_refusal_context(project),
        "repository_page": repository_page(project),
    }
    return render(request, "portal/deleted.html", context)


def _status(request: HttpRequest, project: Project) -> dict[str, Any]:
    session, state = project.current, project.state
    build = session.build if session else None
    shows_log = project.shows_log_to(person(request))
    events = list(Event.objects.filter(project=project).order_by("-seq")[:MAX_EVENTS])
    events = events if shows_log else [journal.redacted(event) for event in events]
    of_session = [event for event in reversed(events) if session and event.session_id == session.pk]
    steps = _steps(of_session)
    last_build = _last_build(project, build)
    has_failed = build and build.code and build.state != BuildState.BUILT
    shown = _preview(project, person(request)) if build else None
    failed = build if has_failed and shows_log else None
    return {
        "project": project,
        "session": session,
        "message": project.message_for(person(request)),
        "build": build,
        "is_earlier_build": bool(
            session and build and build.finished and build.finished < session.created
        ),
        "is_launching": state in LAUNCHING_STATES,
        "is_owner": project.owner_id == person(request).pk,
        "is_read_only": not project.may_be_changed_by(person(request)),
        "steps": steps,
        "progress": progress_of(steps, last_build),
        "last_build_time": last_build,
        "events": events,
        "latest_event": events[0] if events else None,
        "shows_log": shows_log,
        "preview": shown,
        "preview_problem": PREVIEW_PROBLEMS.get(shown.code) if shown else None,
        "error_lines": "\n".join(error_lines(failed.pk)) if failed else "",
        "file_report": journal.file_report(build.pk) if build and shows_log else [],
        "resources_notes": admission.resources_notes(project, build) if build and shows_log else (),
        "key": _key(project, person(request)),
        "ref_choices": _ref_choices(project) if shows_log else [],
        "limits": limits_of(project.owner),
        **_refusal_context(project),
        "share_texts": share_texts(request, project),
        "repository_page": repository_page(project),
    }


def _steps(of_session: list[Event]) -> list[Step]:
    """Return the steps of a session. When its image began to be pushed, only the log knows."""
    pushes = settings.PORTAL_BACKEND != "local"
    told: list[StepEvent] = list(of_session)
    following = [event for event in of_session if event.phase in FOLLOWS_BUILD]
    if pushes and following:
        pushed = LogChunk.objects.filter(build=following[-1].build_id, phase=Phase.PUSHING)
        place = told.index(following[-1]) + 1
        told[place:place] = pushed.order_by("seq").only("phase", "at")[:1]
    return steps_of(told, timezone.now(), pushes=pushes)


def _refusal_context(project: Project) -> dict[str, Any]:
    """Return why the project could not be started or restored now, and what is in the way."""
    is_running = project.is_live and not project.removed
    refusal = None if is_running else admission.start_refusal(project)
    holding = admission.projects_holding(project.owner, refusal.code) if refusal else ()
    return {"refusal": refusal, "blocking_projects": holding}


def _key(project: Project, reader: User) -> dict[str, str] | None:
    """Return the public key that a private repository's host refused, and where to add it."""
    refused = project.current and project.current.code == "launch.key-not-accepted"
    if not refused or project.owner_id != reader.pk:
        return None
    url = project.url if project.is_private else project.content_url
    return {"public": keypairs.ensure(reader).public, "page": key_page(url)}


def _ref_choices(project: Project) -> list[tuple[str, str]]:
    """Return the branches and tags to choose from if the ref does not exist, with their links."""
    session = project.current
    is_missing = session is not None and session.code in MISSING_REF_CODES
    names = offered_refs(session.message) if session and is_missing else []
    return [(name, LaunchFields.of(project, name).link) for name in names]


def _last_build(project: Project, current: Build | None) -> timedelta | None:
    """Return how long the last successful build of this repository took; None if there was none."""
    done = Build.objects.usable_by(project).filter(state=BuildState.BUILT, started__isnull=False)
    if current:
        done = done.exclude(pk=current.pk)
    last = done.order_by("-id").first()
    return last.finished - last.started if last and last.finished and last.started else None


def repository_page(project: Project) -> str:
    """Return the address of the repository's web page; "" if it has none."""
    ours = project.url.startswith(f"{settings.PORTAL_URL}/")
    is_web = project.url.startswith(("https://", "http://"))
    return "" if ours or not is_web else project.url.removesuffix(".git")
