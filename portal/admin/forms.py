"""Forms for people: their page, and the questions of the actions on many people."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from portal import roles
from portal.models import User
from quotas import changes
from quotas.admin.limits_form import LimitsForm
from quotas.fields import CHOICES, FIELDS
from quotas.models import Grant


class PersonForm(LimitsForm[User], UserChangeForm[User]):
    """A person's page; ``by`` fills it in and cannot give rights that they lack themselves."""

    by: ClassVar[User]

    class Meta:
        model = User
        fields = "__all__"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "groups" not in data:
            return data
        chosen = set(data["groups"])
        if not roles.may_assign_groups(self.by, _changed_groups(self.instance, chosen)):
            self.add_error("groups", _("Only who may all that a group may can put people in it."))
        if any(group.name in roles.ROLES for group in chosen):
            data["is_staff"] = True  # without it, the role would give no access
        return data


def _changed_groups(person: User, chosen: set[Group]) -> Any:
    before = set(person.groups.all())
    return Group.objects.filter(pk__in=[group.pk for group in chosen ^ before])


class BulkLimitsForm(forms.Form):
    """A value for each limit: empty leaves it alone, a tick makes it inherited again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in FIELDS.items():
            self.fields[name] = changes.form_field(name)
            self.fields[f"{name}_inherit"] = forms.BooleanField(
                label=_("inherit again: %(limit)s") % {"limit": field.label}, required=False
            )

    def rows(self) -> list[tuple[Any, forms.BoundField, forms.BoundField]]:
        """Return each limit with its two bound fields."""
        return [(field, self[name], self[f"{name}_inherit"]) for name, field in FIELDS.items()]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in FIELDS:
            if data.get(f"{name}_inherit") and data.get(name) is not None:
                self.add_error(name, _("Give a figure or have it inherited again, not both."))
        if not self.errors and not self.changes():
            raise ValidationError(_("Give a figure, or tick what is to be inherited again."))
        return data

    def changes(self) -> dict[str, float | None]:
        """Return the new value of each limit to change; None makes it inherited again."""
        data = self.cleaned_data
        given = {name: data[name] for name in FIELDS if data.get(name) is not None}
        again = {name: None for name in FIELDS if data.get(f"{name}_inherit")}
        return {**given, **again}


class BulkGrantForm(forms.ModelForm[Grant]):
    """One grant, to give to each of several people."""

    limit = forms.ChoiceField(label=_("limit"), choices=CHOICES)

    class Meta:
        model = Grant
        fields = ["limit", "value", "until", "reason"]
        widgets = {
            "until": forms.DateInput(attrs={"type": "date"}),
            "reason": forms.TextInput(attrs={"class": "vTextField"}),
        }

    def __init__(self, *args: Any, by: User, people: Collection[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by, self.people = by, people

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if {"limit", "value", "until"} <= data.keys():
            try:
                figures = data["limit"], data["value"], data["until"]
                changes.validate_grant(self.by, *figures, self.people)
            except ValidationError as error:
                self.add_error(None, error)
        return data


class DisableForm(forms.Form):
    """Asks whether to stop their running notebooks too."""

    stop = forms.BooleanField(label=_("Stop their running notebooks as well"), required=False)
