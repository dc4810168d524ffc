"""Limits in a form: a field for each figure, beside what is inherited, in force and in use.

For the page of whoever has limits: a person, a group, the site. `setting` changes them.
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
from quotas import admission, setting
from quotas.admission import Use
from quotas.effective import Effective, combine, plain, whence
from quotas.fields import FIELDS, Field
from quotas.limits import defaults, effective_of
from quotas.setting import Owner

M = TypeVar("M", bound=models.Model)
PREFIX = "limit_"


@dataclass(frozen=True)
class Row:
    """One limit: the form's field for it where it may be set here, its figures, and in words
    where the one in force comes from."""

    field: Field
    input: BoundField | None
    found: Effective
    whence: str = ""
    in_use: float | None = None

    @property
    def is_exceeded(self) -> bool:
        return self.in_use is not None and self.in_use > self.found.value


class LimitsForm(forms.ModelForm[M]):
    """The form of somebody who has limits. ``sets_limits``: whoever fills it in may set them."""

    sets_limits: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.sets_limits:
            return
        own = setting.own_figures(owner_of(self.instance))
        for name in FIELDS:
            self.fields[PREFIX + name] = setting.field_of(name)
            self.initial[PREFIX + name] = own.get(name)

    def set_limits(self) -> None:
        """Store what was changed; call when the rest of the form is stored."""
        changed = {
            name: self.cleaned_data[PREFIX + name]
            for name in FIELDS
            if PREFIX + name in self.changed_data
        }
        if changed:
            setting.change(owner_of(self.instance), changed)


def owner_of(instance: models.Model) -> Owner:
    """Whose limits a page is about: the site's, where it is neither a person's nor a group's."""
    return instance if isinstance(instance, User | Group) and instance.pk else None


def rows(form: forms.BaseForm, owner: Owner, use: Use | None = None) -> list[Row]:
    """The table: each limit with its field in ``form``, if that has one."""
    shown = []
    for name, found in standing(owner).items():
        bound = form[PREFIX + name] if PREFIX + name in form.fields else None
        if bound:
            bound.field.widget.attrs["placeholder"] = plain(found.inherited)
        in_use = admission.of_limit(use, name) if use else None
        shown.append(Row(FIELDS[name], bound, found, whence(found, str(owner or "")), in_use))
    return shown


def standing(owner: Owner) -> Mapping[str, Effective]:
    """What is set for this owner, and what holds where nothing is."""
    if isinstance(owner, User):
        return effective_of(owner)
    above = {} if owner is None else setting.own_figures(None)
    return combine(defaults(), above, {}, setting.own_figures(owner), ())
