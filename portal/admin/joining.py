"""Join two accounts of one person from the admin page of the older one.

A provider that gives somebody a new subject makes them a stranger here, with a new, empty account.
`portal.accounts.relink` links the old account to the new identity and closes the new account.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.accounts import relink
from portal.accounts.identity import provider_of
from portal.models import User
from portal.privacy import erase
from sessions.errors import BinderyError

from .actions import staff_user


class JoinForm(forms.Form):
    """Asks for the username of the newer account."""

    username = forms.CharField(label=gettext_lazy("Username of the newer account"), max_length=150)

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        self.fields["username"].widget.attrs |= {"autocomplete": "off", "class": "vTextField"}

    def clean_username(self) -> User:
        """Return the account. Raises `ValidationError` if there is none that may be joined."""
        other = User.objects.filter(username=self.cleaned_data["username"]).first()
        if other is None or not may_join(self.by, other):
            raise forms.ValidationError(_("There is no such account, or you may not join it."))
        return other


class JoinMixin:
    """Gives a ``ModelAdmin`` the view of a page ``join/`` for each person."""

    opts: Any
    admin_site: Any

    def join_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for the newer account, and join it with this one.

        Raises `PermissionDenied` if the signed-in user may not, `Http404` if there is nobody.
        """
        by, person = staff_user(request), User.objects.filter(pk=object_id).first()
        if not by.has_perm("portal.view_user"):
            raise PermissionDenied
        if person is None:
            raise Http404
        if not may_join(by, person):
            raise PermissionDenied
        form = JoinForm(request.POST or None, by=by)
        if request.method == "POST" and form.is_valid():
            try:
                relink.join(person, form.cleaned_data["username"], by)
            except BinderyError as error:
                form.add_error("username", error.message)
            else:
                said = _("At their next sign-in with %(provider)s, they are %(name)s again.")
                person.refresh_from_db()
                words = {"provider": provider_of(person), "name": person.username}
                messages.success(request, said % words)
                return redirect("admin:portal_user_change", person.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Join two accounts"),
            "opts": self.opts,
            "person": person,
            "provider": provider_of(person),
            "form": form,
        }
        return TemplateResponse(request, "admin/portal/user/join.html", context)


def may_join(by: User, person: User) -> bool:
    """Return whether ``by`` may join this account with another."""
    return relink.may_join(by, person) and not erase.is_being_erased(person)
