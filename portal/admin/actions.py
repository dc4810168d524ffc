"""Admin actions on the list of people: limits, grants, sign-out, disabling, CSV export.

`portal.accounts.manage` and `quotas.changes` do the work; `sessions.admin.bulk_action` asks first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import roles
from portal.accounts import manage
from portal.admin.columns import columns_by_user
from portal.lib import streaming
from portal.models import User
from quotas import changes
from quotas.fields import CHOICES, FIELDS
from quotas.models import Grant
from sessions.admin.bulk_action import BulkAction

MAX_PEOPLE = 500
"""How many people one action may change at once; for more, use a group."""
EXPORT_PAGE_ROWS = 500
COLUMNS = ["username", "name", "email", "groups", "active", "staff", "superuser", "projects_in_use",
           "running_in_use", *FIELDS, "joined", "last_sign_in"]  # fmt: skip
HIGHER_SKIPPED = gettext_lazy("Skipped: anyone with more permissions than you")
SELF_SKIPPED = gettext_lazy("Skipped: you, and anyone with more permissions than you")


def staff_user(request: HttpRequest) -> User:
    """Return the signed-in user; the admin lets nobody else in."""
    return cast(User, request.user)


class BulkLimitsForm(forms.Form):
    """A value for each limit: empty leaves it alone, a tick makes it inherited again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in FIELDS.items():
            self.fields[name] = changes.form_field(name)
            self.fields[f"{name}_inherit"] = forms.BooleanField(
                label=_("inherit again: %(limit)s") % {"limit": field.label},
                required=False,
            )

    def rows(self) -> list[tuple[Any, forms.BoundField, forms.BoundField]]:
        """Return each limit with its two bound fields."""
        return [(field, self[name], self[f"{name}_inherit"]) for name, field in FIELDS.items()]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in FIELDS:
            if data.get(f"{name}_inherit") and data.get(name) is not None:
                self.add_error(name, _("Enter a value or inherit it again, not both."))
        if not self.errors and not self.changes():
            raise ValidationError(_("Enter a value, or tick the limits to inherit again."))
        return data

    def changes(self) -> dict[str, float | None]:
        """Return the new value of each limit to change; None makes it inherited again."""
        data = self.cleaned_data
        given = {name: data[name] for name in FIELDS if data.get(name) is not None}
        again = {name: None for name in FIELDS if data.get(f"{name}_inherit")}
        return {**given, **again}


class BulkGrantForm(forms.ModelForm[Grant]):
    """One grant, to give to each of several people."""

    limit = forms.ChoiceField(label=gettext_lazy("limit"), choices=CHOICES)

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

    stop = forms.BooleanField(
        label=gettext_lazy("Stop their running notebooks as well"), required=False
    )


def _give(person: User, by: User, form: BulkGrantForm) -> None:
    Grant.objects.create(user=person, given_by=by, **form.cleaned_data)


def _disable(person: User, by: User, form: DisableForm | None = None) -> None:
    manage.disable(person, by, stop=bool(form and form.cleaned_data["stop"]))


def _disable_form(data: Any, by: User, _people: list[User]) -> DisableForm | None:
    return DisableForm(data) if by.has_perm("notebook_sessions.act_on_project") else None


def _others(by: User, people: QuerySet[User]) -> QuerySet[User]:
    return roles.changeable_by(by, people).exclude(pk=by.pk)


BULK_ACTIONS = (
    BulkAction[User](
        "set_limits",
        gettext_lazy("Set limits"),
        "quotas.change_limitset",
        lambda person, _by, form: changes.set_own_limits(person, form.changes()),
        lambda _person: _(
            "These limits override those of the person's groups, from the next launch on. Running "
            "notebooks keep theirs."
        ),
        form=lambda data, _by, _people: BulkLimitsForm(data),
        allowed=roles.changeable_by,
        excluded=HIGHER_SKIPPED,
        max_rows=MAX_PEOPLE,
    ),
    BulkAction[User](
        "grant",
        gettext_lazy("Grant more for a time"),
        "quotas.add_grant",
        _give,
        lambda _person: _(
            "Each person gets this grant, from the next launch on. It ends after its last day, and "
            "never lowers a limit."
        ),
        form=lambda data, by, people: BulkGrantForm(data, by=by, people=people),
        max_rows=MAX_PEOPLE,
    ),
    BulkAction[User](
        "sign_out",
        gettext_lazy("Sign out everywhere"),
        "portal.sign_out_user",
        lambda person, _by: manage.sign_out(person),
        lambda _person: _(
            "All their browsers are signed out, and notebooks open in them close. The notebooks "
            "keep running, tokens stay valid, and they can sign in again."
        ),
        allowed=roles.changeable_by,
        excluded=HIGHER_SKIPPED,
        max_rows=MAX_PEOPLE,
    ),
    BulkAction[User](
        "disable",
        gettext_lazy("Disable"),
        "portal.disable_user",
        _disable,
        lambda _person: _(
            "They are signed out and cannot sign in; their tokens are refused. Their projects and "
            "files stay: enable them to give everything back."
        ),
        form=_disable_form,
        allowed=_others,
        excluded=SELF_SKIPPED,
        max_rows=MAX_PEOPLE,
    ),
    BulkAction[User](
        "enable",
        gettext_lazy("Enable"),
        "portal.disable_user",
        lambda person, _by: manage.enable(person),
        lambda _person: _("They can sign in again, and their tokens are valid again."),
        allowed=_others,
        excluded=SELF_SKIPPED,
        max_rows=MAX_PEOPLE,
    ),
)


@admin.action(permissions=["view"], description=gettext_lazy("Export as CSV"))
def export(site: Any, request: HttpRequest, chosen: QuerySet[User]) -> StreamingHttpResponse:
    """Stream the chosen people as a CSV file."""
    return streaming.csv_response("people", COLUMNS, _pages(chosen.order_by("pk")))


def _pages(chosen: QuerySet[User]) -> Iterator[list[list[Any]]]:
    """Read `EXPORT_PAGE_ROWS` people at a time, so that the file may be of any length."""
    users = list(chosen[:EXPORT_PAGE_ROWS])
    while users:
        yield _lines(users)
        users = list(chosen.filter(pk__gt=users[-1].pk)[:EXPORT_PAGE_ROWS])


def _lines(users: list[User]) -> list[list[Any]]:
    found = columns_by_user(users)
    return [
        [
            user.username,
            user.get_full_name(),
            user.email,
            ", ".join(found[user.pk].groups),
            user.is_active,
            user.is_staff,
            user.is_superuser,
            found[user.pk].projects,
            found[user.pk].running,
            *(found[user.pk].limits[name].value for name in FIELDS),
            user.date_joined,
            user.last_login,
        ]
        for user in users
    ]
