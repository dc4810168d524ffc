"""To an identity provider and back, as pages: what goes wrong on the way is said in words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.signals import user_login_failed
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.models import User
from portal.oidc import flow, leaving, signins
from portal.oidc.problems import NotLetIn, Refused, Unproven
from portal.oidc.provider import Provider
from sessions.errors import BinderyError
from sessions.gateway import tickets

Page = Callable[[HttpRequest, Provider], HttpResponse]

log = logging.getLogger(__name__)


def of_provider(page: Page) -> Callable[[HttpRequest, str], HttpResponse]:
    """The page of the provider in the address; an error of ours becomes a page of its own."""

    @never_cache
    @require_safe
    @wraps(page)
    def answer(request: HttpRequest, slug: str) -> HttpResponse:
        provider = settings.OIDC_PROVIDERS.get(slug)
        if provider is None:
            raise Http404
        try:
            return page(request, provider)
        except BinderyError as error:
            return _problem(request, provider, error)

    return answer


@of_provider
def sign_in(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Start; ``?next=`` is where to go on to here, ``?another=1`` asks for another account."""
    if request.user.is_authenticated:
        return _go_on(flow.safe_next(request, request.GET.get("next", "")))
    another = bool(request.GET.get("another"))
    return HttpResponseRedirect(flow.begin(request, provider, another=another))


@of_provider
def callback(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Where the provider sends the browser back to."""
    # An answer that nobody asked for is not counted: any site can have its visitors' browsers bring
    # one, and all who share their address would have to wait.
    answer = flow.answer(request, provider)
    try:
        user = auth.authenticate(request, answer=answer)
    except (Refused, Unproven):
        user_login_failed.send(sender=__name__, credentials={}, request=request)
        raise
    if not isinstance(user, User):  # has to wait: `portal.attempts` has the page for that
        return _go_on("")
    _enter(request, user, answer)
    return _go_on(answer.then)


@of_provider
def signed_out(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Says that one is, and whether at the provider as well."""
    there = leaving.was_there(request.GET.get("state", ""))
    if there is None or request.user.is_authenticated:
        return redirect("home")
    context = {"provider": provider, "there": there}
    return render(request, "portal/oidc_signed_out.html", context)


def _enter(request: HttpRequest, user: User, answer: flow.Answer) -> None:
    before = request.session.session_key
    auth.login(request, user)
    if before and before != request.session.session_key:
        tickets.revoke_browser(before)
    signins.begin(user, answer.provider, request.session, answer.tokens, instead_of=before)


def _go_on(then: str) -> HttpResponse:
    return HttpResponseRedirect(then) if then else redirect("home")


def _problem(request: HttpRequest, provider: Provider, error: BinderyError) -> HttpResponse:
    log.info("%s: no sign-in: %s", provider.slug, error.code)
    context = {
        "provider": provider,
        "error": error,
        "another": isinstance(error, NotLetIn),
        "portal": settings.PORTAL_URL,
    }
    return render(request, "portal/oidc_problem.html", context, status=error.status)
