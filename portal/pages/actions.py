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
from .responses import came_from, find, find_or_deleted, go_to, htmx, person, refused, signed_in

Act = Callable[[Project, User], Any]
VERBS: dict[str, Act] = {
    "start": lifecycle.start,
    "stop": lifecycle.stop,
    "rebuild": lifecycle.rebuild,
    "cancel": lifecycle.cancel,
    "keep": lifecycle.keep,
    "delete": lifecycle.delete,
    "delete-for-good": partial(lifecycle.delete, for_good=True),
    "restore": lifecycle.restore,
}
OF_DELETED = frozenset({"delete-for-good", "restore"})


@require_POST
@signed_in
def act(request: HttpRequest, name: str, verb: str) -> HttpResponseBase:
    """Do what the button says, tell the person, and go to where the effect is seen."""
    project = (find_or_deleted if verb in OF_DELETED else find)(request, name)
    try:
        make_room(request)
        VERBS[verb](project, person(request))
    except QuotaExceeded:  # the project's page says what holds the limit and what can be done
        return _answer(request, reverse("project", args=[name]))
    except NotAllowed as error:
        return refused(request, error)
    except BinderyError as error:
        messages.error(request, error.message)
        return _answer(request, came_from(request))
    if verb in {"start", "rebuild"}:
        return _answer(request, reverse("project", args=[name]))
    undo = f"{UNDO}{name}" if verb == "delete" and settings.PORTAL_UNDO_DAYS else ""
    messages.success(request, _said(verb) % {"repository": project.repository}, extra_tags=undo)
    deletes_page = came_from(request) == reverse("project", args=[name]) and verb.startswith("del")
    return _answer(request, reverse("home") if deletes_page else came_from(request))


def _said(verb: str) -> str:
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
        "keep": _("%(repository)s stays: its time without use begins anew."),
        "delete": gone,
        "delete-for-good": gone,
        "restore": _("%(repository)s is restored, with all its files. Start it when you like."),
    }[verb]


def _answer(request: HttpRequest, address: str) -> HttpResponse:
    """Go on to a page. If htmx shows that page already, it gets only the messages for it."""
    if not htmx(request) or htmx(request).current_url_abs_path != address:
        return go_to(request, address)
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
    project = find(request, name)
    try:
        if project.state != ProjectState.READY:
            raise StateConflict("project.state", _("The notebook is not running at present."))
        path, entrant = request.GET.get("path", ""), request.GET.get("entrant", "")
        if not tickets.is_entrant(entrant):
            return redirect(tickets.begin(person(request), project, path))
        key = request.session.session_key or ""
        return redirect(tickets.issue(person(request), project, key, entrant, path))
    except BinderyError as error:
        messages.warning(request, error.message)
        return redirect("project", name)
