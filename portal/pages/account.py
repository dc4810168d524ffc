"""``/account/``: who one is here, where one's files are, what one may have and has in use."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.pages import sshkey, tokens, usage, who
from portal.pages.askform import AskForm
from portal.pages.asking import person, signed_in
from portal.pages.limits import parts_of
from quotas import asking
from quotas.models import LimitRequest

REQUESTS_SHOWN = 20


@never_cache
@require_safe
@signed_in
def account(request: HttpRequest) -> HttpResponseBase:
    """``?ask=<limit>`` opens the form that asks for more of it."""
    wanted = request.GET.get("ask", "")
    form = AskForm.about(person(request), wanted) if asking.can_ask(wanted) else None
    return with_form(request, form)


def with_form(request: HttpRequest, form: AskForm | None, status: int = 200) -> HttpResponse:
    """The account page, with this form in the row of its limit.

    The answers on it count as seen from then on.
    """
    user = person(request)
    mine = LimitRequest.objects.filter(user=user).select_related("grant", "answered_by")
    context = {
        "parts": parts_of(user),
        "form": form,
        **who.own(user),
        **sshkey.own(user),
        **tokens.own(user),
        **usage.own(user),
        "requests": list(mine.order_by("-created", "-pk")[:REQUESTS_SHOWN]),
    }
    asking.mark_seen(user)
    return render(request, "portal/account.html", context, status=status)
