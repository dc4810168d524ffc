"""Setting limits: the one way in which the figures of a person, a group or the site change.

The audit sees each change, with whoever asked for it. In force is what `limits` makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction

from portal.models import User
from quotas.fields import FIELDS
from quotas.models import LimitSet
from quotas.models.limitset import MOST

Owner = User | Group | None
"""Whose limits: a person's, a group's, or with None the site's."""


def set_for(owner: Owner) -> LimitSet | None:
    """The row of this owner, if anything was ever set for them."""
    return LimitSet.objects.filter(**_key(owner)).first()


def own_figures(owner: Owner) -> dict[str, float]:
    """What is set for this owner alone, by the names of `quotas.fields.FIELDS`."""
    row = set_for(owner)
    return row.values() if row else {}


def change(owner: Owner, figures: Mapping[str, Any]) -> None:
    """Set these figures, and have those that are None be inherited again; others stay.

    Raises `ValidationError`, by the names of the figures, and changes nothing then.
    """
    cleaned = _cleaned(figures)
    with transaction.atomic():
        rows = LimitSet.objects.select_for_update()
        row = rows.filter(**_key(owner)).first()
        if row is None:
            given = {name: value for name, value in cleaned.items() if value is not None}
            if not given:
                return
            row, _made = rows.get_or_create(**_key(owner), defaults=given)  # two may come at once
        changed = [name for name, value in cleaned.items() if getattr(row, name) != value]
        for name in changed:
            setattr(row, name, cleaned[name])
        if changed:
            row.save(update_fields=changed)


def field_of(name: str) -> forms.Field:
    """The form field of a figure, which may be left empty."""
    column, least = LimitSet._meta.get_field(name), FIELDS[name].least
    field = column.formfield(min_value=least, max_value=MOST)  # type: ignore[union-attr]
    assert isinstance(field, forms.Field)  # noqa: S101  every figure is a plain column
    return field


def _key(owner: Owner) -> dict[str, Any]:
    user = owner if isinstance(owner, User) else None
    return {"user": user, "group": owner if isinstance(owner, Group) else None}


def _cleaned(figures: Mapping[str, Any]) -> dict[str, float | None]:
    cleaned, errors = {}, {}
    for name, value in figures.items():
        try:
            cleaned[name] = field_of(name).clean(value)
        except ValidationError as error:
            errors[name] = error
    if errors:
        raise ValidationError(errors)
    return cleaned
