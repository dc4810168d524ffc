"""The home page: a landing page for people signed out, launch form and projects for the others."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.models import User
from portal.pages.expiry import gone_of
from portal.pages.launch_form import Wish
from portal.pages.responses import htmx, person, signed_in
from portal.run.examples import example_urls
from quotas.limits import limits_of
from sessions.errors import BinderyError
from sessions.lifecycle.resources import by_default
from sessions.models import Project


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show ``/``; ``?repository=…&ref=…&path=…`` fills in the launch form and launches nothing."""
    wish = Wish.of(request.GET)
    if not request.user.is_authenticated:
        return render(request, "portal/landing.html", {"wish": wish})
    return with_form(request, wish)


@never_cache
@require_safe
@signed_in
def shelf(request: HttpRequest) -> HttpResponseBase:
    """Return the list of projects (``/projects/``) for htmx; redirect others to the home page."""
    if not htmx(request):
        return redirect("home")
    user = person(request)
    context = {**_projects(user), **gone_of(user), "alone": True}
    return render(request, "portal/_shelf.html", context)


def with_form(request: HttpRequest, wish: Wish, error: BinderyError | None = None) -> HttpResponse:
    """Return the home page with ``wish`` in the launch form and ``error`` below its field.

    For htmx, an error returns the form alone.
    """
    template = "portal/_launch.html" if htmx(request) and error else "portal/home.html"
    context = {
        "wish": wish,
        "error": error,
        "in_the_way": _in_the_way(request, error),
        **_projects(person(request)),
        **gone_of(person(request)),
    }
    return render(request, template, context, status=error.status if error else 200)


def _projects(user: User) -> dict[str, Any]:
    """Return the person's own projects, running ones first, and how many more they may have."""
    projects = sorted(Project.objects.own(user), key=lambda project: not project.is_live)
    limits = limits_of(user)
    return {
        "projects": projects,
        "limits": limits,
        "limit": limits.projects,
        "gets": by_default(limits),
        "examples": example_urls(),
    }


def _in_the_way(request: HttpRequest, error: BinderyError | None) -> list[Project]:
    """Return the projects that use up a limit, so that one of them can be given up."""
    named = [each["name"] for each in error.details.get("projects", [])] if error else []
    return list(Project.objects.visible_to(person(request)).filter(name__in=named))
