"""Forms of the account page: a new token, and a request for a higher limit.

`keys.issuing` validates tokens, `quotas.requests` validates requests.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from keys.issuing import expiry_in_days, issue
from keys.models import SCOPES, Token, latest_expiry
from portal.models import User
from quotas.effective import format_limit, format_number
from quotas.fields import CHOICES, FIELDS
from quotas.limits import effective_of
from quotas.models import LimitRequest
from quotas.requests import MAX_DAYS, submit

TOKEN_DAYS = (30, 90, 365)


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
        label=gettext_lazy("What it is for"),
        choices=list(SCOPES.items()),
        widget=forms.CheckboxSelectMultiple,
        initial=["read"],
        required=False,
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("It lasts"), choices=_choices, coerce=int, required=False
    )
    expires = forms.DateField(
        label=gettext_lazy("or until the end of"),
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
            text = _("You have a token of this name. Give this one another, to tell them apart.")
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


REQUEST_DAYS = 90


class LimitRequestForm(forms.Form):
    """A request for more of a limit.

    The browser checks the ranges of ``value`` and ``until``, too, so most mistakes never leave it.
    """

    limit = forms.ChoiceField(choices=CHOICES, widget=forms.HiddenInput)
    value = forms.FloatField(label=gettext_lazy("How much"))
    until = forms.DateField(
        label=gettext_lazy("Until"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )
    why = forms.CharField(
        label=gettext_lazy("What for"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )

    @classmethod
    def for_limit(cls, user: User, limit: str, data: Any = None) -> LimitRequestForm:
        """Return the form for one limit of this person, filled in with ``data`` if it is given."""
        until = _in_days(REQUEST_DAYS)
        form = cls(data, initial={"limit": limit, "until": until}, use_required_attribute=True)
        form.set_browser_bounds(effective_of(user)[limit].value)
        return form

    def set_browser_bounds(self, has: float) -> None:
        """Set the ranges that the browser checks; ``has`` is the limit in force."""
        limit = str(self["limit"].value())
        self.has = format_limit(limit, has)
        whole = FIELDS[limit].whole
        self.fields["value"].widget.attrs |= {
            "min": format_number(has + 1) if whole else format_number(has),
            "step": "1" if whole else "any",
            "inputmode": "numeric" if whole else "decimal",
            "autofocus": True,
        }
        bounds = {"min": _in_days(1).isoformat(), "max": _in_days(MAX_DAYS).isoformat()}
        self.fields["until"].widget.attrs |= bounds

    def send(self, user: User) -> LimitRequest | None:
        """Send the request and return it, or None with the errors on the form."""
        if not self.is_valid():
            return None
        try:
            return submit(user, **self.cleaned_data)
        except ValidationError as error:
            self.add_error(None, error)
            return None


def _in_days(days: int) -> date:
    return timezone.localdate() + timedelta(days=days)
