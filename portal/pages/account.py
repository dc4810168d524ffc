"""``/account/``: limits, usage, SSH key, export and sign-out of the person who is signed in.

The parts of the page come from `limits`, `usage`, `tokens` and `portal.accounts.identity`. The
forms on it ask for higher limits, withdraw a request, and dismiss an answer.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys import keypairs
from keys.models import KeyPair
from portal.accounts import identity, manage
from portal.models import User
from portal.pages import tokens, usage
from portal.pages.limits import LimitRequestForm, limit_groups_of
from portal.pages.responses import person, redirect_to, return_address, signed_in
from portal.privacy import export
from quotas import requests
from quotas.models import LimitRequest
from sessions.lifecycle import sshkey

MAX_REQUESTS = 20


@never_cache
@require_safe
@signed_in
def account(request: HttpRequest) -> HttpResponseBase:
    """Show the account page; ``?ask=<limit>`` opens the form that asks for more of that limit."""
    wanted = request.GET.get("ask", "")
    form = (
        LimitRequestForm.for_limit(person(request), wanted)
        if requests.can_request(wanted)
        else None
    )
    return render_account(request, form)


def render_account(
    request: HttpRequest, form: LimitRequestForm | None, status: int = 200
) -> HttpResponse:
    """Return the account page, with this form in the row of its limit.

    Answers to requests that the page shows count as seen from then on.
    """
    user = person(request)
    mine = LimitRequest.objects.filter(user=user).select_related("grant", "answered_by")
    context = {
        "limit_groups": limit_groups_of(user),
        "form": form,
        **identity.template_context(user),
        **key_context(user),
        **tokens.template_context(user),
        **usage.template_context(user),
        "limit_requests": list(mine.order_by("-created", "-pk")[:MAX_REQUESTS]),
    }
    requests.mark_seen(user)
    return render(request, "portal/account.html", context, status=status)


@require_POST
@signed_in
def sign_out_everywhere(request: HttpRequest) -> HttpResponseBase:
    """Sign the person out of all browsers, this one included, and go to the sign-in page."""
    manage.sign_out(person(request))
    logout(request)
    messages.success(
        request,
        _("You are signed out everywhere. Sign in again wherever you want to continue."),
    )
    return redirect_to(request, reverse("sign-in"))


@never_cache
@require_safe
@signed_in
def download(request: HttpRequest) -> HttpResponseBase:
    """Send a ZIP of everything that the portal knows about this person, streamed."""
    return export.archive(person(request))


def key_context(user: User) -> dict[str, Any]:
    """Return the context of ``templates/portal/_ssh_key.html`` for this person's key."""
    return {"key_pair": KeyPair.objects.filter(user=user).defer("sealed").first()}


@require_POST
@signed_in
def make_key(request: HttpRequest) -> HttpResponseBase:
    """Create the person's first SSH key; an existing one is kept."""
    keypairs.ensure(person(request))
    text = _("Your SSH key is ready. Add its public half wherever you want to use it.")
    messages.success(request, text)
    return redirect_to(request, _key())


@require_POST
@signed_in
def replace_key(request: HttpRequest) -> HttpResponseBase:
    """Replace the person's SSH key by a new one."""
    sshkey.replace_key_pair(person(request))
    text = _(
        "Your SSH key has been replaced. Running notebooks get the new one within a minute or "
        "two. Add it wherever you had added the old one, and remove the old one there."
    )
    messages.success(request, text)
    return redirect_to(request, _key())


def _key() -> str:
    return f"{reverse('account')}#ssh-key"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def request_limits(request: HttpRequest) -> HttpResponseBase:
    """Send the request and go on to where it is listed; errors are shown on the form.

    A GET comes from the way back after signing in, and asks for nothing. Raises `Http404` for a
    limit that cannot be raised by request.
    """
    if request.method in {"GET", "HEAD"}:
        return redirect_to(request, reverse("account"))
    user, limit = person(request), request.POST.get("limit", "")
    if not requests.can_request(limit):
        raise Http404
    form = LimitRequestForm.for_limit(user, limit, request.POST)
    if form.send(user) is None:
        return render_account(request, form, status=400)
    messages.success(
        request, _("Your request has been sent. You will be told when staff answer it.")
    )
    return redirect_to(request, _requests())


@require_POST
@signed_in
def withdraw(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Withdraw one of the person's own requests."""
    mine = LimitRequest.objects.filter(user=person(request))
    limit_request = get_object_or_404(mine, pk=pk)
    try:
        requests.withdraw(limit_request, person(request))
        messages.success(request, _("Your request has been withdrawn."))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect_to(request, _requests())


@require_POST
@signed_in
def dismiss_answer(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Mark the answer as read, and stay on the same page."""
    requests.mark_seen(person(request), pk=pk)
    return redirect_to(request, return_address(request))


def _requests() -> str:
    return f"{reverse('account')}#requests"
