"""List, create and revoke API tokens on the account page.

A secret appears once, in the answer to the POST that made it: in no address, message or session,
and in no copy that a browser keeps.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from keys.issuing import expiry_in_days, issue
from keys.models import SCOPES, Token, latest_expiry
from portal.models import User
from portal.pages.responses import person, redirect_to, signed_in

TOKEN_DAYS = (30, 90, 365)
SCOPE_VERBS = {
    "read": gettext_lazy("view"),
    "launch": gettext_lazy("launch and change"),
    "notebook": gettext_lazy("reach notebooks"),
}
"""A token's permissions, in two words each."""


def _choices() -> list[tuple[int, str]]:
    most = settings.PORTAL_TOKEN_DAYS
    every = sorted({days for days in TOKEN_DAYS if days < most} | {most})
    return [(days, ngettext("%d day", "%d days", days) % days) for days in every]


class TokenForm(forms.Form):
    """A new token; if ``expires`` is given, ``days`` does not count.

    The browser checks the range of ``expires``, too.
    """

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        choices=list(SCOPES.items()),
        widget=forms.CheckboxSelectMultiple,
        initial=["read"],
        required=False,
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires after"), choices=_choices, coerce=int, required=False
    )
    expires = forms.DateField(
        label=gettext_lazy("or at the end of"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
        required=False,
    )

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data, auto_id="token-%s")
        self.user = user
        bounds = {"min": timezone.localdate().isoformat(), "max": _last_day().isoformat()}
        self.fields["expires"].widget.attrs |= bounds

    def expiry_fields(self) -> list[forms.BoundField]:
        """Return the two fields that say when the token ends."""
        return [self["days"], self["expires"]]

    def clean_name(self) -> str:
        """Refuse a name in use: names tell tokens apart, and a form sent twice makes one token."""
        name: str = self.cleaned_data["name"]
        if Token.objects.filter(user=self.user, name=name).exists():
            text = _(
                "You already have a token with this name. Choose another name, to tell them apart."
            )
            raise ValidationError(text)
        return name

    def make(self) -> tuple[Token, str] | None:
        """Return the token and its secret, or None with the errors on the form."""
        if not self.is_valid():
            return None
        given = self.cleaned_data
        try:
            return issue(self.user, given["name"], given["scopes"], self._end())
        except ValidationError as error:
            self.add_error(None, error)
            return None

    def _end(self) -> datetime | None:
        if day := self.cleaned_data["expires"]:
            return _end_of(min(day, _last_day() + timedelta(days=1)))  # late enough to be refused
        days = self.cleaned_data["days"]
        return expiry_in_days(days) if days else None


def _last_day() -> date:
    return timezone.localdate(latest_expiry())


def _end_of(day: date) -> datetime:
    """Return the midnight after a day; on the last possible day, the latest possible time."""
    if day == _last_day():
        return latest_expiry()
    return datetime.combine(day + timedelta(days=1), time.min, timezone.get_current_timezone())


def template_context(user: User) -> dict[str, Any]:
    """Return the context of ``templates/portal/_tokens.html`` for this person's tokens."""
    rows = Token.objects.filter(user=user).defer("digest").order_by("-created", "-pk")
    return {
        "tokens": [(token, _describe_scopes(token)) for token in rows],
        "token_form": TokenForm(user),
    }


def _describe_scopes(token: Token) -> str:
    return _("may %(verbs)s") % {
        "verbs": ", ".join(str(SCOPE_VERBS[scope]) for scope in token.scopes)
    }


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@sensitive_variables()
def make(request: HttpRequest) -> HttpResponseBase:
    """Create a token and show its secret; errors are shown on the form, on a page of its own.

    A GET comes from the way back after signing in, and creates nothing.
    """
    if request.method in {"GET", "HEAD"}:
        return _form(request, TokenForm(person(request)))
    form = TokenForm(person(request), request.POST)
    made = form.make()
    if made is None:
        return _form(request, form, status=400)
    token, secret = made
    context = {"token": token, "secret": secret, "command": _command(token, secret)}
    return render(request, "portal/token_created.html", context)


@require_POST
@signed_in
def revoke(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Revoke one of the person's own tokens."""
    token = get_object_or_404(Token.objects.filter(user=person(request)), pk=pk)
    token.delete()
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect_to(request, _tokens())


@require_POST
@signed_in
def revoke_all(request: HttpRequest) -> HttpResponseBase:
    """Revoke all of the person's tokens."""
    Token.objects.filter(user=person(request)).delete()
    text = _("All your tokens are revoked. Programs that used one need a new one.")
    messages.success(request, text)
    return redirect_to(request, _tokens())


def _form(request: HttpRequest, form: TokenForm, status: int = 200) -> HttpResponse:
    return render(request, "portal/token_form.html", {"token_form": form}, status=status)


def _command(token: Token, secret: str) -> str:
    """Return a harmless command to try the token with; "" if its scopes allow none."""
    if not token.allows("read"):
        return ""
    return f'curl -H "Authorization: Bearer {secret}" {settings.PORTAL_URL}/api/v1/me/'


def _tokens() -> str:
    return f"{reverse('account')}#tokens"
