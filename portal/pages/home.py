"""The home page, its list of projects, and the page of projects that are about to be deleted.

People who are signed out see a landing page. The mail that is sent the day before a deletion links
to ``/going/``, which also lists deleted projects and how to get them back.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from portal.models import User
from portal.pages.launch import LaunchFields, deleted_context, projects_of, render_home
from portal.pages.responses import htmx, person, redirect_to, return_address, signed_in
from quotas.limits import limits_of
from sessions import lifecycle
from sessions.errors import StateConflict
from sessions.models import Project


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show ``/``; ``?repository=…&ref=…&path=…`` fills in the launch form and launches nothing."""
    fields = LaunchFields.from_data(request.GET)
    if not request.user.is_authenticated:
        return render(request, "portal/landing.html", {"launch": fields})
    return render_home(request, fields)


@never_cache
@require_safe
@signed_in
def project_list(request: HttpRequest) -> HttpResponseBase:
    """Return the list of projects (``/projects/``) for htmx; redirect others to the home page."""
    if not htmx(request):
        return redirect("home")
    user = person(request)
    context = {**projects_of(user), **deleted_context(user), "is_fragment": True}
    return render(request, "portal/_project_list.html", context)


@never_cache
@require_safe
@signed_in
def expiring(request: HttpRequest) -> HttpResponseBase:
    """Show ``/going/``; opening it keeps nothing: programs that read mail follow links, too."""
    user = person(request)
    context = {"days": limits_of(user).idle_days, **deleted_context(user)}
    return render(request, "portal/expiry.html", context)


@require_POST
@signed_in
def keep_all(request: HttpRequest) -> HttpResponseBase:
    """Keep all of the person's projects that are about to be deleted."""
    user = person(request)
    kept = sum(_keep(project, user) for project in Project.objects.expiring_of(user))
    if kept:
        sentence = ngettext("%(number)d project is kept.", "%(number)d projects are kept.", kept)
        messages.success(request, sentence % {"number": kept})
    else:
        messages.warning(
            request, _("There was nothing left to keep. The list below is up to date.")
        )
    return redirect_to(request, return_address(request))


def _keep(project: Project, user: User) -> bool:
    """Keep a project; return whether it was still there."""
    try:
        lifecycle.keep(project, user)
    except StateConflict:
        return False
    return True
