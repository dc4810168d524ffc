"""Handle the buttons: start, stop, rebuild, cancel, keep, delete or restore a project, open it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from portal.models import User
from portal.templatetags.lifetimes import UNDO
from sessions import lifecycle
from sessions.errors import BinderyError, NotAllowed, QuotaExceeded, StateConflict
from sessions.gateway import tickets
from sessions.models import Project
from sessions.states import ProjectState

from .launch import make_room
from .responses import (
    find_or_deleted,
    find_project,
    htmx,
    person,
    redirect_to,
    refused_response,
    return_address,
    signed_in,
)

ProjectAction = Callable[[Project, User], Any]
ACTIONS: dict[str, ProjectAction] = {
    "start": lifecycle.start,
    "start-safe": partial(lifecycle.start, safe_mode=True),
    "stop": lifecycle.stop,
    "rebuild": lifecycle.rebuild,
    "cancel": lifecycle.cancel,
    "keep": lifecycle.keep,
    "delete": lifecycle.delete,
    "delete-for-good": partial(lifecycle.delete, for_good=True),
    "restore": lifecycle.restore,
}
ACTIONS_ON_DELETED = frozenset({"delete-for-good", "restore"})


@require_POST
@signed_in
def perform(request: HttpRequest, name: str, verb: str) -> HttpResponseBase:
    """Do what the button says, tell the person, and go to where the effect is seen."""
    project = (find_or_deleted if verb in ACTIONS_ON_DELETED else find_project)(request, name)
    try:
        make_room(request)
        ACTIONS[verb](project, person(request))
    except QuotaExceeded:  # the project's page says what holds the limit and what can be done
        return _continue_to(request, reverse("project", args=[name]))
    except NotAllowed as error:
        return refused_response(request, error)
    except BinderyError as error:
        messages.error(request, error.message)
        return _continue_to(request, return_address(request))
    if verb in {"start", "start-safe", "rebuild"}:
        return _continue_to(request, reverse("project", args=[name]))
    undo = f"{UNDO}{name}" if verb == "delete" and settings.PORTAL_UNDO_DAYS else ""
    messages.success(
        request, _success_message(verb) % {"repository": project.repository}, extra_tags=undo
    )
    deletes_page = return_address(request) == reverse("project", args=[name]) and verb.startswith(
        "del"
    )
    return _continue_to(request, reverse("home") if deletes_page else return_address(request))


def _success_message(verb: str) -> str:
    days = settings.PORTAL_UNDO_DAYS
    if verb == "delete" and days:
        return ngettext(
            "%%(repository)s is deleted. You can restore it for %(days)d day.",
            "%%(repository)s is deleted. You can restore it for %(days)d days.",
            days,
        ) % {"days": days}
    gone = _("%(repository)s is deleted for good. The files in your own folder are still there.")
    return {
        "stop": _("%(repository)s is being stopped."),
        "cancel": _("The launch of %(repository)s is cancelled."),
        "keep": _("%(repository)s is kept: its days of inactivity start over."),
        "delete": gone,
        "delete-for-good": gone,
        "restore": _("%(repository)s is restored, with all its files. Start it when you like."),
    }[verb]


def _continue_to(request: HttpRequest, address: str) -> HttpResponse:
    """Go on to a page. If htmx shows that page already, it gets only the messages for it."""
    if not htmx(request) or htmx(request).current_url_abs_path != address:
        return redirect_to(request, address)
    return trigger_client_event(render(request, "portal/_messages.html"), "changed")


@never_cache
@require_safe
@signed_in
def open_notebook(request: HttpRequest, name: str) -> HttpResponseBase:
    """Redirect to the notebook with a ticket, or to the project's page if it is not running.

    ``?path=`` is the address on the notebook's host. The gateway sends people here for a ticket,
    with ``?entrant=``, by which it recognizes the browser. Whoever comes without it is sent to the
    gateway first.
    """
    project = find_project(request, name)
    try:
        if project.state != ProjectState.READY:
            raise StateConflict("project.state", _("The notebook is not running."))
        path, entrant = request.GET.get("path", ""), request.GET.get("entrant", "")
        if not tickets.is_entrant_digest(entrant):
            return redirect(tickets.entry_url(person(request), project, path))
        key = request.session.session_key or ""
        return redirect(tickets.issue_ticket(person(request), project, key, entrant, path))
    except BinderyError as error:
        messages.warning(request, error.message)
        return redirect("project", name)
