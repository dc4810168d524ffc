"""Signing in with a password, and out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

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


class SignOut(views.LogoutView):
    """Ends the browser's way to the person's notebooks, too."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.session.session_key:
            tickets.revoke_browser(request.session.session_key)
        return super().post(request, *args, **kwargs)
