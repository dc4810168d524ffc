"""The form with which staff answer a request: as asked, with other figures, or no."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.models import User
from quotas import asking
from quotas.models import LimitRequest
from quotas.wording import day, figure

VERDICTS = [("grant", gettext_lazy("Grant")), ("decline", gettext_lazy("Decline"))]


class AnswerForm(forms.Form):
    """Filled in as it was asked; `quotas.asking` knows what may be granted."""

    value = forms.FloatField(
        label=gettext_lazy("How much"), widget=forms.NumberInput(attrs={"step": "any"})
    )
    until = forms.DateField(
        label=gettext_lazy("Until"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )
    answer = forms.CharField(
        label=gettext_lazy("A word to the person"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("They read it on their page and in the letter. Declining needs it."),
    )
    verdict = forms.ChoiceField(choices=VERDICTS, widget=forms.HiddenInput)

    wish: LimitRequest

    @classmethod
    def of(cls, wish: LimitRequest, sent: Any = None) -> AnswerForm:
        asked = {"value": f"{wish.value:g}", "until": wish.until}
        form = cls(sent, initial=asked, use_required_attribute=False)
        form.wish = wish
        if sent is not None and sent.get("verdict") == "decline":
            form.fields["value"].required = form.fields["until"].required = False
        return form

    def send(self, by: User) -> str:
        """Answer, and tell how it went; empty where the form says what is wrong."""
        try:
            return self._send(by, **self.cleaned_data)
        except ValidationError as error:
            self.add_error(None, error)
            return ""

    def _send(self, by: User, verdict: str, value: Any, until: Any, answer: str) -> str:
        name = self.wish.user.username
        if verdict == "decline":
            asking.decline(self.wish, by, answer)
            return _("Declined: %(name)s is told.") % {"name": name}
        asking.grant(self.wish, by, value, until, answer)
        words = {"name": name, "value": figure(self.wish.limit, value), "until": day(until)}
        return _("Granted: %(name)s has %(value)s until %(until)s.") % words
