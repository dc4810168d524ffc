"""Bound what staff may grant: support stays within the bounds that operators set."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.models import User
from quotas.fields import FIELDS
from quotas.limits import defaults
from quotas.models import SupportBounds


def first() -> dict[str, float]:
    """Return the bounds until an operator sets others: twice the defaults."""
    return {name: 2 * value for name, value in defaults().items()}


def require(by: User, limit: str, value: float, until: date, people: Collection[User] = ()) -> None:
    """Raise `ValidationError` if ``by`` may not grant this.

    The grant is ``value`` of ``limit`` for ``people``, to the end of the day ``until``. The error's
    keys are ``value`` and ``until``. Some values are refused for everybody.
    """
    errors = {}
    if FIELDS[limit].whole and not float(value).is_integer():
        errors["value"] = _("Give a whole number.")
    elif until < timezone.localdate():
        errors["until"] = _("This day is over. Choose today or a later one.")
    elif not by.has_perm("quotas.exceed_bounds"):
        bounds = SupportBounds.objects.first() or SupportBounds(**first())
        errors = _beyond(bounds, limit, value, until)
        if by in people:
            errors["value"] = _("You cannot grant to yourself. Ask an operator.")
    if errors:
        raise ValidationError(errors)


def _beyond(bounds: SupportBounds, limit: str, value: float, until: date) -> dict[str, str]:
    errors = {}
    most: float | None = getattr(bounds, limit)
    amount = FIELDS[limit].amount
    last = timezone.localdate() + timedelta(days=bounds.days)
    if most is None:
        sentence = _("Support does not grant more of this. Ask an operator.")
        errors["value"] = sentence
    elif not amount(value) <= amount(most):
        sentence = _("Support may grant at most %(most)s %(unit)s. Ask an operator for more.")
        errors["value"] = sentence % {"most": f"{most:g}", "unit": FIELDS[limit].unit}
    if until > last:
        sentence = _("Support may grant until %(day)s at most. Ask an operator for longer.")
        errors["until"] = sentence % {"day": date_format(last)}
    return errors
