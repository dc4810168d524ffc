"""Sign in by password or provider, choose a new password, and sign out.

`portal.accounts.oidc` talks to identity providers; here are the pages on the way there and back,
which say in words what went wrong. ``/sign-in/password/`` replaces a password that staff have set.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from csp.decorators import csp_replace
from django import forms
from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth import login, views
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseRedirectBase
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from portal.accounts import middleware, passwords
from portal.accounts.oidc import flow, provider_logout, signins
from portal.accounts.oidc.errors import AccountNotAllowed, ProviderRefused, UnverifiedResponse
from portal.accounts.oidc.provider import Provider
from portal.accounts.passwords import ChoosePasswordForm
from portal.models import User
from sessions.errors import BinderyError
from sessions.gateway import tickets

BACKEND = "portal.accounts.oidc.backends.Password"


def leave_form(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return a page that goes on by itself, in place of a redirect that ends at a notebook.

    A browser applies the ``form-action`` of the page with the form to each redirect that follows,
    and would not leave the portal's host, or the provider's.
    """
    if not isinstance(response, HttpResponseRedirectBase):
        return response
    try:
        leads_to_notebook = resolve(urlsplit(response.url).path).url_name == "open"
    except Resolver404:
        leads_to_notebook = False
    if not leads_to_notebook:
        return response
    page = render(request, "portal/opening_notebook.html", {"address": response.url})
    page.headers["Cache-Control"] = "no-store"
    return page


class ChoosePasswordView(views.LoginView):
    """The page that replaces a password set by staff, and signs the person in.

    It can only be reached from the sign-in page.
    """

    template_name = "portal/choose_password.html"
    authentication_form: Any = ChoosePasswordForm
    person: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        person = passwords.user_choosing_password(request)
        if person is None:
            return redirect("sign-in")
        self.person = person
        return leave_form(request, super().dispatch(request, *args, **kwargs))

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super(views.LoginView, self).get_form_kwargs(), "user": self.person}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = super().get_context_data(**kwargs)
        return {**found, "person": self.person, "next": self.get_redirect_url()}

    def form_valid(self, form: Any) -> HttpResponse:
        middleware.set_actor(self.person)
        user = form.save()
        del self.request.session[passwords.CHOOSER_KEY]
        login(self.request, user, backend=BACKEND)
        messages.success(self.request, _("From now on, sign in with the password you chose."))
        return redirect(self.get_success_url())


class SignInForm(AuthenticationForm):
    """Django's form, in our words."""

    error_messages = {  # noqa: RUF012  as its parent has it
        "invalid_login": gettext_lazy(
            "This name and password do not match. Check capital letters; whoever runs this "
            "portal can give you a new password."
        ),
        "inactive": gettext_lazy(
            "This account is disabled. Whoever runs this portal can enable it again."
        ),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = gettext_lazy("Name")
        if self.is_bound:
            del self.fields["username"].widget.attrs["autofocus"]
            self.fields["password"].widget.attrs["autofocus"] = True

    def fields_in_order(self) -> list[forms.BoundField]:
        """Return the fields as the page shows them."""
        return [self["username"], self["password"]]


class SignInView(views.LoginView):
    """The sign-in page, with the providers' buttons and, if allowed, the form for a password."""

    template_name = "portal/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return leave_form(request, super().dispatch(request, *args, **kwargs))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        providers = list(settings.OIDC_PROVIDERS.values())
        return {
            **context,
            "providers": providers,
            "with_password": settings.PORTAL_PASSWORD_SIGN_IN,
            "next": self.get_redirect_url(),  # only an address on this site
        }

    def get_form(self, form_class: Any = None) -> AuthenticationForm:
        """Do not focus the form beside a provider's button: most people come for the button."""
        form = super().get_form(form_class)
        if settings.OIDC_PROVIDERS:
            form.fields["username"].widget.attrs.pop("autofocus", None)
        return form

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Send people whose password was set by staff to the page that replaces it."""
        user = form.get_user()
        if not user.must_choose_password:
            return super().form_valid(form)
        passwords.allow_choosing(self.request, user)
        following = urlencode({self.redirect_field_name: self.get_success_url()})
        return HttpResponseRedirect(f"{reverse('choose-password')}?{following}")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ignore what is sent if nobody signs in with a password."""
        if not settings.PORTAL_PASSWORD_SIGN_IN:
            return self.get(request, *args, **kwargs)
        return super().post(request, *args, **kwargs)


class SignOutView(views.LogoutView):
    """Sign-out that also closes the browser's way to notebooks and its sign-in at a provider."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        browser, out = request.session.session_key, flow.sign_out_redirect(request.session)
        # Slow steps come before the sign-out itself: an open page that learns of it by its socket
        # goes to the sign-in page, and would no longer wait for this answer.
        signins.forget(browser)
        if browser:
            tickets.revoke_browser(browser)
        answer = super().post(request, *args, **kwargs)
        if out is None:
            return answer
        if not out.ends_provider_session:
            return HttpResponseRedirect(out.address)
        return render(request, "portal/oidc_signing_out.html", {"sign_out": out})


Page = Callable[[HttpRequest, Provider], HttpResponseBase]

log = logging.getLogger(__name__)


def with_provider(page: Page) -> Callable[[HttpRequest, str], HttpResponseBase]:
    """Pass the provider in the address to a view; show an error of ours as a page.

    Raises `Http404` if there is no such provider.
    """

    @never_cache
    @require_safe
    @wraps(page)
    def answer(request: HttpRequest, slug: str) -> HttpResponseBase:
        provider = _provider_or_404(slug)
        try:
            return page(request, provider)
        except BinderyError as error:
            return _problem(request, provider, error)

    return answer


@with_provider
def sign_in(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Start a sign-in; ``?next=`` is where to go then, ``?another=1`` asks for another account."""
    if request.user.is_authenticated:
        return _redirect_to(flow.safe_next(request, request.GET.get("next", "")))
    another = bool(request.GET.get("another"))
    return HttpResponseRedirect(flow.authorization_url(request, provider, select_account=another))


@with_provider
def callback(request: HttpRequest, provider: Provider) -> HttpResponseBase:
    """Sign in the person whose browser the provider sends back."""
    # An answer that nobody asked for is not counted: any site can make its visitors' browsers send
    # one, and everyone who shares their address would have to wait.
    try:
        response = flow.take_response(request, provider)
    except UnverifiedResponse:
        if request.user.is_authenticated:  # an old address, by the Back button or from the history
            return _redirect_to("")
        raise
    try:
        user = auth.authenticate(request, response=response)
    except (ProviderRefused, UnverifiedResponse):
        user_login_failed.send(sender=__name__, credentials={}, request=request)
        raise
    if not isinstance(user, User):
        return _redirect_to("")  # must wait: `portal.accounts.login_throttle` shows the page for it
    _log_in(request, user, response)
    return leave_form(request, _redirect_to(response.next_url))


@with_provider
def signed_out(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Tell people that they are signed out, and whether they are at the provider as well."""
    there = flow.ended_provider_session(request.GET.get("state", ""))
    if there is None or request.user.is_authenticated:
        return redirect("home")
    context = {"provider": provider, "is_signed_out_at_provider": there}
    return render(request, "portal/oidc_signed_out.html", context)


@csrf_exempt
@never_cache
@require_POST
def back_channel_logout(request: HttpRequest, slug: str) -> HttpResponse:
    """End sign-ins, as the provider itself asks (OpenID Connect Back-Channel Logout 1.0).

    Raises `Http404` if there is no such provider.
    """
    provider = _provider_or_404(slug)
    try:
        provider_logout.end_by_token(provider, _logout_token(request))
    except BinderyError as error:
        said = {"error": "invalid_request", "error_description": error.message}
        return JsonResponse(said, status=error.status)
    return HttpResponse()


def _logout_token(request: HttpRequest) -> str:
    """Return the token of the form; "" if it has none or several, or is no form or too large."""
    try:
        sent = request.POST.getlist("logout_token")
    except (BadRequest, SuspiciousOperation, MultiPartParserError):
        return ""
    return sent[0] if len(sent) == 1 else ""


@never_cache
@require_safe
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})  # type: ignore[arg-type]  # typed for other views
def front_channel_logout(request: HttpRequest, slug: str) -> HttpResponse:
    """End the sign-ins of a provider's session, in a frame that it shows to the browser.

    Only the session's number counts, which nobody else knows: not the browser's own session, which
    any page could end (OpenID Connect Front-Channel Logout 1.0). Raises `Http404` if there is no
    such provider.
    """
    provider = _provider_or_404(slug)
    issuer, session = request.GET.get("iss", ""), request.GET.get("sid", "")
    if not session or (issuer and provider.issuer and issuer != provider.issuer):
        raise BadRequest
    provider_logout.end_by_session(provider, session)
    return HttpResponse(_("Signed out."), content_type="text/plain; charset=utf-8")


def _provider_or_404(slug: str) -> Provider:
    provider: Provider | None = settings.OIDC_PROVIDERS.get(slug)
    if provider is None:
        raise Http404
    return provider


def _log_in(request: HttpRequest, user: User, response: flow.AuthorizationResponse) -> None:
    before = request.session.session_key
    auth.login(request, user)
    if before and before != request.session.session_key:
        tickets.revoke_browser(before)
    signins.record_sign_in(
        user,
        response.provider,
        request.session,
        response.tokens,
        previous_key=before,
        claims=response.claims,
    )


def _redirect_to(then: str) -> HttpResponse:
    return HttpResponseRedirect(then) if then else redirect("home")


def _problem(request: HttpRequest, provider: Provider, error: BinderyError) -> HttpResponse:
    log.info("%s: sign-in failed: %s", provider.slug, error.code)
    context = {
        "provider": provider,
        "error": error,
        "can_switch_account": isinstance(error, AccountNotAllowed),
        "portal_url": settings.PORTAL_URL,
    }
    return render(request, "portal/oidc_problem.html", context, status=error.status)
