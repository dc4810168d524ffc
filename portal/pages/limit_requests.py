"""Ask for higher limits from the account page, withdraw a request, and dismiss an answer."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from quotas import requests
from quotas.models import LimitRequest

from .account import render_account
from .limits import LimitRequestForm
from .responses import person, redirect_to, return_address, signed_in


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
    messages.success(request, _("Your request is sent. You will be told when staff answer it."))
    return redirect_to(request, _requests())


@require_POST
@signed_in
def withdraw(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Withdraw one of the person's own requests."""
    mine = LimitRequest.objects.filter(user=person(request))
    limit_request = get_object_or_404(mine, pk=pk)
    try:
        requests.withdraw(limit_request, person(request))
        messages.success(request, _("Your request is taken back."))
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
