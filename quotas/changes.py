"""Set limits: the only way to change the figures of a person, a group or the site.

The audit log records each change, with the person who made it. `limits` computes from them what is
in force. What staff may grant is bounded: support stays within the bounds that operators set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.models import User
from quotas.fields import FIELDS
from quotas.limits import defaults
from quotas.models import MAX_VALUE, LimitSet, SupportBounds


def default_bounds() -> dict[str, float]:
    """Return the bounds until an operator sets others: twice the defaults."""
    return {name: 2 * value for name, value in defaults().items()}


def validate_grant(
    by: User, limit: str, value: float, until: date, people: Collection[User] = ()
) -> None:
    """Raise `ValidationError` if ``by`` may not grant this.

    The grant is ``value`` of ``limit`` for ``people``, to the end of the day ``until``. The error's
    keys are ``value`` and ``until``. Some values are refused for everybody.
    """
    errors = {}
    if FIELDS[limit].whole and not float(value).is_integer():
        errors["value"] = _("Enter a whole number.")
    elif until < timezone.localdate():
        errors["until"] = _("This day is in the past. Choose today or a later day.")
    elif not by.has_perm("quotas.exceed_bounds"):
        bounds = SupportBounds.objects.first() or SupportBounds(**default_bounds())
        errors = _bound_errors(bounds, limit, value, until)
        if by in people:
            errors["value"] = _("You cannot grant more to yourself. Ask an operator.")
    if errors:
        raise ValidationError(errors)


def _bound_errors(bounds: SupportBounds, limit: str, value: float, until: date) -> dict[str, str]:
    errors = {}
    most: float | None = getattr(bounds, limit)
    amount = FIELDS[limit].amount
    last = timezone.localdate() + timedelta(days=bounds.days)
    if most is None:
        sentence = _("Support cannot grant more of this. Ask an operator.")
        errors["value"] = sentence
    elif not amount(value) <= amount(most):
        sentence = _("Support may grant at most %(most)s %(unit)s. Ask an operator for more.")
        errors["value"] = sentence % {"most": f"{most:g}", "unit": FIELDS[limit].unit}
    if until > last:
        sentence = _("Support may grant until %(day)s at the latest. Ask an operator for longer.")
        errors["until"] = sentence % {"day": date_format(last)}
    return errors


Owner = User | Group | None
"""Owner of limits: a person, a group, or None for the site."""


def limit_set_of(owner: Owner) -> LimitSet | None:
    """Return this owner's row; None if nothing was ever set for them."""
    return LimitSet.objects.filter(**_key(owner)).first()


def get_own_limits(owner: Owner) -> dict[str, float]:
    """Return the figures set for this owner alone, by the names of `quotas.fields.FIELDS`."""
    row = limit_set_of(owner)
    return row.values() if row else {}


def set_own_limits(owner: Owner, figures: Mapping[str, Any]) -> None:
    """Set these figures; None makes a figure inherited again, and others stay.

    Raises `ValidationError`, by the names of the figures, and then changes nothing.
    """
    cleaned = _clean(figures)
    with transaction.atomic():
        rows = LimitSet.objects.select_for_update()
        row = rows.filter(**_key(owner)).first()
        if row is None:
            given = {name: value for name, value in cleaned.items() if value is not None}
            if not given:
                return
            row, _made = rows.get_or_create(**_key(owner), defaults=given)  # two callers may race
        changed = [name for name, value in cleaned.items() if getattr(row, name) != value]
        for name in changed:
            setattr(row, name, cleaned[name])
        if changed:
            row.save(update_fields=changed)


def form_field(name: str) -> forms.Field:
    """Return the form field of a figure, which may be left empty."""
    column, least = LimitSet._meta.get_field(name), FIELDS[name].min_value
    field = column.formfield(min_value=least, max_value=MAX_VALUE)  # type: ignore[union-attr]
    assert isinstance(field, forms.Field)  # noqa: S101  every figure is a plain column
    return field


def _key(owner: Owner) -> dict[str, Any]:
    user = owner if isinstance(owner, User) else None
    return {"user": user, "group": owner if isinstance(owner, Group) else None}


def _clean(figures: Mapping[str, Any]) -> dict[str, float | None]:
    cleaned, errors = {}, {}
    for name, value in figures.items():
        try:
            cleaned[name] = form_field(name).clean(value)
        except ValidationError as error:
            errors[name] = error
    if errors:
        raise ValidationError(errors)
    return cleaned
