"""The sign-in page, and signing out. The ways to identity providers and back are in `oidc`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from portal import passwords
from portal.oidc import leaving, signins
from sessions.gateway import tickets


class SignInForm(AuthenticationForm):
    """Django's, in our words."""

    error_messages = {  # noqa: RUF012  as its parent has it
        "invalid_login": _(
            "This name and password do not belong together. Mind capital letters; whoever runs"
            " this portal can give you a new password."
        ),
        "inactive": _("This account is closed. Whoever runs this portal can open it again."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Name")
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
        browser, way = request.session.session_key, leaving.way_out(request.session)
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
