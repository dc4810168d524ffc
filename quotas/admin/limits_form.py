"""Show limits in a form: a field for each figure, beside what is inherited, in force and in use.

It serves the page of an owner of limits: a person, a group or the site. `quotas.changes` stores the
changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django import forms
from django.contrib.auth.models import Group
from django.db import models
from django.forms.boundfield import BoundField

from portal.models import User
from quotas import changes
from quotas.changes import Owner
from quotas.fields import FIELDS, Effective, LimitField, combine, describe_source, format_number
from quotas.limits import Usage, defaults, effective_of, usage_of_limit

M = TypeVar("M", bound=models.Model)
PREFIX = "limit_"


@dataclass(frozen=True)
class LimitRow:
    """One limit in the table.

    ``input`` is the form's field if it may be set here; ``source_text`` says where the figure in
    force comes from.
    """

    field: LimitField
    input: BoundField | None
    effective: Effective
    source_text: str = ""
    in_use: float | None = None

    @property
    def is_exceeded(self) -> bool:
        """Return whether more is in use than the limit allows."""
        return self.in_use is not None and self.in_use > self.effective.value


class LimitsForm(forms.ModelForm[M]):
    """The form of an owner of limits. ``may_set_limits`` is for users who may set them."""

    may_set_limits: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.may_set_limits:
            return
        own = changes.get_own_limits(owner_of(self.instance))
        for name in FIELDS:
            self.fields[PREFIX + name] = changes.form_field(name)
            self.initial[PREFIX + name] = own.get(name)

    def set_limits(self) -> None:
        """Store the limits that were changed; call it once the rest of the form is stored."""
        changed = {
            name: self.cleaned_data[PREFIX + name]
            for name in FIELDS
            if PREFIX + name in self.changed_data
        }
        if changed:
            changes.set_own_limits(owner_of(self.instance), changed)


def owner_of(instance: models.Model) -> Owner:
    """Return the owner of the limits on a page: a person, a group, or None for the site."""
    return instance if isinstance(instance, User | Group) and instance.pk else None


def limit_rows(form: forms.BaseForm, owner: Owner, usage: Usage | None = None) -> list[LimitRow]:
    """Return the table: each limit, with its field in ``form`` if there is one.

    ``owner`` is whose limits these are. With ``usage``, each row says what is in use, too.
    """
    rows = []
    for name, found in effective_limits(owner).items():
        bound = form[PREFIX + name] if PREFIX + name in form.fields else None
        if bound:
            bound.field.widget.attrs["placeholder"] = format_number(found.inherited)
        in_use = usage_of_limit(usage, name) if usage else None
        rows.append(
            LimitRow(FIELDS[name], bound, found, describe_source(found, str(owner or "")), in_use)
        )
    return rows


def effective_limits(owner: Owner) -> Mapping[str, Effective]:
    """Return the limits in force for this owner, with their sources."""
    if isinstance(owner, User):
        return effective_of(owner)
    above = {} if owner is None else changes.get_own_limits(None)
    return combine(defaults(), above, {}, changes.get_own_limits(owner), ())
