"""Handle the launch form: say what is understood while somebody types, and launch."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from portal.pages.home import with_form
from portal.pages.launch_form import Wish, make_room
from portal.pages.responses import go_to, htmx, person, signed_in
from sessions import lifecycle
from sessions.errors import BinderyError


@never_cache
@require_safe
@signed_in
def understand(request: HttpRequest) -> HttpResponseBase:
    """Return a fragment that says what is understood of the fields, without asking the network."""
    wish = Wish.of(request.GET)
    if not htmx(request):
        return redirect(wish.link)
    context: dict[str, object] = {}
    try:
        context["parts"] = wish.understand() if wish else ()
    except BinderyError as error:
        context["error"] = error
    return render(request, "portal/_understood.html", context)


@require_http_methods(["GET", "POST"])
@signed_in
def launch(request: HttpRequest) -> HttpResponseBase:
    """Launch and go on to the project's page; errors are shown on the form.

    A GET comes from the way back after signing in, and launches nothing.
    """
    if request.method == "GET":
        return redirect("home")
    wish = Wish.of(request.POST)
    try:
        make_room(request)
        project = lifecycle.launch(person(request), wish.repository, wish.ref, wish.path)
    except BinderyError as error:
        return with_form(request, wish, error)
    return go_to(request, reverse("project", args=[project.name]))
