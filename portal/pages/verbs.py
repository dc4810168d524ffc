"""What the buttons do: start, stop, rebuild, cancel, keep and delete a project, and open its
notebook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from portal.models import User
from portal.pages.asking import came_from, find, go_to, htmx, person, refused, signed_in
from portal.pages.making_room import make_room
from sessions import lifecycle
from sessions.errors import BinderyError, NotAllowed, QuotaExceeded, StateConflict
from sessions.gateway import tickets
from sessions.models import Project
from sessions.states import ProjectState

Act = Callable[[Project, User], Any]
VERBS: dict[str, Act] = {
    "start": lifecycle.start,
    "stop": lifecycle.stop,
    "rebuild": lifecycle.rebuild,
    "cancel": lifecycle.cancel,
    "keep": lifecycle.keep,
    "delete": lifecycle.delete,
}


@require_POST
@signed_in
def act(request: HttpRequest, name: str, verb: str) -> HttpResponseBase:
    """Do it, say so, and go where its effect is seen."""
    project = find(request, name)
    try:
        make_room(request)
        VERBS[verb](project, person(request))
    except QuotaExceeded:  # its page says what holds the limit, and what can be done
        return _answer(request, reverse("project", args=[name]))
    except NotAllowed as error:
        return refused(request, error)
    except BinderyError as error:
        messages.error(request, error.message)
        return _answer(request, came_from(request))
    if verb in {"start", "rebuild"}:
        return _answer(request, reverse("project", args=[name]))
    messages.success(request, _said(verb) % {"repository": project.repository})
    own_page = came_from(request) == reverse("project", args=[name])
    return _answer(
        request, reverse("home") if verb == "delete" and own_page else came_from(request)
    )


def _said(verb: str) -> str:
    return {
        "stop": _("%(repository)s is being stopped."),
        "cancel": _("The launch of %(repository)s is cancelled."),
        "keep": _("%(repository)s stays: its time without use begins anew."),
        "delete": _("%(repository)s is deleted. The files in your own folder are still there."),
    }[verb]


def _answer(request: HttpRequest, address: str) -> HttpResponse:
    """On to a page; htmx, if it shows that page already, only gets the news for it."""
    if not htmx(request) or htmx(request).current_url_abs_path != address:
        return go_to(request, address)
    return trigger_client_event(render(request, "portal/_messages.html"), "changed")


@never_cache
@require_safe
@signed_in
def open_notebook(request: HttpRequest, name: str) -> HttpResponseBase:
    """On to the notebook, with a ticket for it; to the project's page while there is none.

    ``?path=`` is where to go on the notebook's host: the gateway sends people here for a ticket.
    """
    project = find(request, name)
    try:
        if project.state != ProjectState.READY:
            raise StateConflict("project.state", _("The notebook is not running at present."))
        key, path = request.session.session_key or "", request.GET.get("path", "")
        return redirect(tickets.issue(person(request), project, key, path))
    except BinderyError as error:
        messages.warning(request, error.message)
        return redirect("project", name)
