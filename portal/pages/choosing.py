"""``/sign-in/password/``: choosing a password in place of the one that staff have set."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login, views
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from portal import auditing, passwords
from portal.models import User
from portal.passwords import OwnPasswordForm

BACKEND = "portal.oidc.backends.Password"


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
        auditing.acts(self.person)
        user = form.save()
        del self.request.session[passwords.PLACE]
        login(self.request, user, backend=BACKEND)
        messages.success(self.request, _("From now on you sign in with the password you chose."))
        return redirect(self.get_success_url())
