"""List projects that are about to be deleted because nobody uses them, and keep them.

The page also lists deleted projects, and how to get them back. The letter that is sent the day
before a deletion links here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from portal.models import User
from quotas.limits import limits_of
from sessions import lifecycle
from sessions.errors import StateConflict
from sessions.models import Project

from .launch_form import Wish
from .responses import came_from, go_to, person, signed_in

GONE_SHOWN = timedelta(days=7)


@never_cache
@require_safe
@signed_in
def going(request: HttpRequest) -> HttpResponseBase:
    """Show ``/going/``; opening it keeps nothing: programs that read mail follow links, too."""
    user = person(request)
    context = {"days": limits_of(user).idle_days, **gone_of(user)}
    return render(request, "portal/going.html", context)


@require_POST
@signed_in
def keep_all(request: HttpRequest) -> HttpResponseBase:
    """Keep all of the person's projects that are about to be deleted."""
    user = person(request)
    kept = sum(_keep(project, user) for project in Project.objects.going_from(user))
    if kept:
        sentence = ngettext("%(number)d project stays.", "%(number)d projects stay.", kept)
        messages.success(request, sentence % {"number": kept})
    else:
        messages.warning(request, _("There was nothing left to keep: see below what there is."))
    return go_to(request, came_from(request))


def gone_of(user: User) -> dict[str, Any]:
    """Return this person's deleted projects, each with a link that launches it anew.

    These are all that can be restored, and those that the portal deleted in the last `GONE_SHOWN`.
    """
    gone = Project.objects.gone_from(user, timezone.now() - GONE_SHOWN)
    return {
        "gone": [(each, Wish(each.repository, each.ref, each.path).link) for each in gone],
        "restorable": sum(each.is_set_aside for each in gone),
        "unused": sum(each.goes is not None for each in gone),
    }


def _keep(project: Project, user: User) -> bool:
    """Keep a project; return whether it was still there."""
    try:
        lifecycle.keep(project, user)
    except StateConflict:
        return False
    return True
