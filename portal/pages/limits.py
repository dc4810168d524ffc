"""Show a person's limits on the account page, with what they use and a form to ask for more.

`account` has the views that take the form; `quotas.requests` validates the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.models import User
from quotas.fields import (
    CHOICES,
    FIELDS,
    Effective,
    LimitField,
    describe_source,
    format_limit,
    format_number,
)
from quotas.limits import effective_of, usage_of_limit
from quotas.models import LimitRequest
from quotas.requests import MAX_DAYS, can_request, submit
from sessions.lifecycle.admission import usage_of

LIMIT_GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (gettext_lazy("Projects and notebooks"), ("projects", "running", "builds", "idle_days")),
    (gettext_lazy("All your running notebooks together"),
     ("total_cpu", "total_memory_gb", "total_gpu")),
    (gettext_lazy("What one notebook's repository may ask for"),
     ("max_cpu", "max_memory_gb", "max_gpu")),
    (gettext_lazy("What a notebook gets if its repository does not ask"),
     ("cpu_request", "cpu_limit", "memory_request_gb", "memory_limit_gb")),
    (gettext_lazy("Your own folder"), ("volume_gb",)),
)  # fmt: skip
"""Every limit once, in the order in which people look for them."""
REQUEST_DAYS = 90
"""Number of days that the form suggests."""


@dataclass(frozen=True)
class LimitRow:
    """One limit of a person, what counts against it (None if nothing does), and its source."""

    field: LimitField
    effective: Effective
    used: float | None
    open_request: LimitRequest | None

    @property
    def allowed(self) -> str:
        """Return the limit with its unit, as `quotas.fields.format_limit` writes it."""
        return format_limit(self.field.name, self.effective.value)

    @property
    def in_use(self) -> str:
        """Return use and limit, as ``3 of 5`` or ``2 of 8 CPU``."""
        if self.used is None:
            return ""
        return _("%(used)s of %(allowed)s") % {
            "used": format_number(self.used),
            "allowed": self.allowed,
        }

    @property
    def source_text(self) -> str:
        """Return words that say where the limit comes from."""
        return describe_source(self.effective)

    @property
    def excess_notice(self) -> str:
        """Return the consequence of using more than is allowed, as when staff lower the limit."""
        if self.used is None or self.used <= self.effective.value + 1e-9:
            return ""
        if self.field.name == "projects":
            return _(
                "This is over your limit. You keep all of them; delete some to launch another."
            )
        return _("This is over your limit. What is running keeps running; a new one has to wait.")

    @property
    def can_request(self) -> bool:
        """Return whether the person may ask for more of it."""
        return can_request(self.field.name)


def limit_groups_of(user: User) -> list[tuple[str, list[LimitRow]]]:
    """Return all limits of this person, grouped under headings."""
    found, usage = effective_of(user), usage_of(user)
    requests = {each.limit: each for each in LimitRequest.objects.open().filter(user=user)}
    return [
        (
            str(heading),
            [
                LimitRow(FIELDS[name], found[name], usage_of_limit(usage, name), requests.get(name))
                for name in names
            ],
        )
        for heading, names in LIMIT_GROUPS
    ]


class LimitRequestForm(forms.Form):
    """A request for more of a limit.

    The browser checks the ranges of ``value`` and ``until``, too, so most mistakes never leave it.
    """

    limit = forms.ChoiceField(choices=CHOICES, widget=forms.HiddenInput)
    value = forms.FloatField(label=gettext_lazy("Amount"))
    until = forms.DateField(
        label=gettext_lazy("Until"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )
    why = forms.CharField(
        label=gettext_lazy("Reason"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
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
