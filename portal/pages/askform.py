"""The form that asks for more of a limit. What is right and wrong in it, `quotas.asking` says."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import User
from quotas.asking import MOST_DAYS, ask
from quotas.fields import CHOICES, FIELDS
from quotas.limits import effective_of
from quotas.models import LimitRequest
from quotas.wording import figure, plain

USUAL_DAYS = 90


class AskForm(forms.Form):
    """``value`` and ``until`` are bounded in the browser, too, so that most mistakes never leave
    it."""

    limit = forms.ChoiceField(choices=CHOICES, widget=forms.HiddenInput)
    value = forms.FloatField(label=_("How much"))
    until = forms.DateField(
        label=_("Until"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )
    why = forms.CharField(
        label=_("What for"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )

    @classmethod
    def about(cls, user: User, limit: str, sent: Any = None) -> AskForm:
        """The form for one limit of this person; filled in with what was sent, if it was."""
        until = _in_days(USUAL_DAYS)
        form = cls(sent, initial={"limit": limit, "until": until}, use_required_attribute=True)
        form.bound_in_browser(effective_of(user)[limit].value)
        return form

    def bound_in_browser(self, has: float) -> None:
        limit = str(self["limit"].value())
        self.has = figure(limit, has)
        whole = FIELDS[limit].whole
        self.fields["value"].widget.attrs |= {
            "min": plain(has + 1) if whole else plain(has),
            "step": "1" if whole else "any",
            "inputmode": "numeric" if whole else "decimal",
            "autofocus": True,
        }
        bounds = {"min": _in_days(1).isoformat(), "max": _in_days(MOST_DAYS).isoformat()}
        self.fields["until"].widget.attrs |= bounds

    def send(self, user: User) -> LimitRequest | None:
        """Ask, if all is well; else the form says what is not."""
        if not self.is_valid():
            return None
        try:
            return ask(user, **self.cleaned_data)
        except ValidationError as error:
            self.add_error(None, error)
            return None


def _in_days(days: int) -> date:
    return timezone.localdate() + timedelta(days=days)
