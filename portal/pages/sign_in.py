"""Sign in by password or provider, choose a new password, and sign out.

``/sign-in/password/``: choosing a password in place of the one that staff have set.

The sign-in page, and signing out. The ways to identity providers and back are in `oidc`.

To an identity provider and back, as pages: what goes wrong on the way is said in words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth import login, views
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.signals import user_login_failed
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.accounts import audit_actor, passwords
from portal.accounts.oidc import flow, signins
from portal.accounts.oidc.problems import NotLetIn, Refused, Unproven
from portal.accounts.oidc.provider import Provider
from portal.accounts.passwords import OwnPasswordForm
from portal.models import User
from sessions.errors import BinderyError
from sessions.gateway import tickets

BACKEND = "portal.accounts.oidc.backends.Password"


class ChoosePassword(views.LoginView):
    """Signs in whoever has chosen; nobody comes here but from the sign-in page."""

    template_name = "portal/choose_password.html"
    authentication_form: Any = OwnPasswordForm
    person: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        person = passwords.chooser(request)
        if person is None:
            return redirect("sign-in")
        self.person = person
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super(views.LoginView, self).get_form_kwargs(), "user": self.person}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = super().get_context_data(**kwargs)
        return {**found, "person": self.person, "next": self.get_redirect_url()}

    def form_valid(self, form: Any) -> HttpResponse:
        audit_actor.acts(self.person)
        user = form.save()
        del self.request.session[passwords.PLACE]
        login(self.request, user, backend=BACKEND)
        messages.success(self.request, _("From now on you sign in with the password you chose."))
        return redirect(self.get_success_url())


class SignInForm(AuthenticationForm):
    """Django's, in our words."""

    error_messages = {  # noqa: RUF012  as its parent has it
        "invalid_login": gettext_lazy(
            "This name and password do not belong together. Mind capital letters; whoever runs"
            " this portal can give you a new password."
        ),
        "inactive": gettext_lazy(
            "This account is closed. Whoever runs this portal can open it again."
        ),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = gettext_lazy("Name")
        if self.is_bound:
            del self.fields["username"].widget.attrs["autofocus"]
            self.fields["password"].widget.attrs["autofocus"] = True

    def fields_in_order(self) -> list[forms.BoundField]:
        return [self["username"], self["password"]]


class SignIn(views.LoginView):
    template_name = "portal/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        providers = list(settings.OIDC_PROVIDERS.values())
        return {
            **context,
            "providers": providers,
            "with_password": settings.PORTAL_PASSWORD_SIGN_IN,
            "next": self.get_redirect_url(),  # only one on this site
        }

    def get_form(self, form_class: Any = None) -> AuthenticationForm:
        """Beside a provider's button, the form is not what most come for."""
        form = super().get_form(form_class)
        if settings.OIDC_PROVIDERS:
            form.fields["username"].widget.attrs.pop("autofocus", None)
        return form

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """A password that staff have set leads to a page on which another is chosen."""
        user = form.get_user()
        if not user.must_choose_password:
            return super().form_valid(form)
        passwords.begin(self.request, user)
        following = urlencode({self.redirect_field_name: self.get_success_url()})
        return HttpResponseRedirect(f"{reverse('choose-password')}?{following}")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Where there is no form, nothing that is sent counts."""
        if not settings.PORTAL_PASSWORD_SIGN_IN:
            return self.get(request, *args, **kwargs)
        return super().post(request, *args, **kwargs)


class SignOut(views.LogoutView):
    """Ends the browser's way to the person's notebooks, too, and its sign-in at a provider."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        browser, way = request.session.session_key, flow.way_out(request.session)
        # What may take its time comes before the end: an open page that learns of the end by its
        # socket goes to the sign-in page, and would not wait for this answer any more.
        signins.forget(browser)
        if browser:
            tickets.revoke_browser(browser)
        answer = super().post(request, *args, **kwargs)
        if way is None:
            return answer
        if not way.there:
            return HttpResponseRedirect(way.address)
        return render(request, "portal/oidc_leaving.html", {"way": way})


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
    if not isinstance(
        user, User
    ):  # has to wait: `portal.accounts.login_throttle` has the page for that
        return _go_on("")
    _enter(request, user, answer)
    return _go_on(answer.then)


@of_provider
def signed_out(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Says that one is, and whether at the provider as well."""
    there = flow.was_there(request.GET.get("state", ""))
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
