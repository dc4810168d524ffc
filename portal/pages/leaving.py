"""What one may do about one's own account: end all sign-ins, take along what is known."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from portal import people, takeout
from portal.pages.asking import go_to, person, signed_in


@require_POST
@signed_in
def sign_out_everywhere(request: HttpRequest) -> HttpResponseBase:
    """This browser, too; then one signs in again."""
    people.sign_out(person(request))
    logout(request)
    messages.success(
        request,
        _("You are signed out everywhere. Sign in again where you want to go on."),
    )
    return go_to(request, reverse("sign-in"))


@never_cache
@require_safe
@signed_in
def download(request: HttpRequest) -> HttpResponseBase:
    """A ZIP of all that the portal knows about this person, sent while it is read."""
    return takeout.archive(person(request))
