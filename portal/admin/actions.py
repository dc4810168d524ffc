"""Admin actions on the list of people: limits, grants, sign-out, disabling, CSV export.

`confirmation` shows the confirmation page first; `portal.accounts.manage` and `quotas.changes` do
the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portal import roles
from portal.accounts import manage
from portal.admin import confirmation
from portal.admin.columns import columns_by_user
from portal.admin.confirmation import PeopleAction
from portal.admin.forms import BulkGrantForm, BulkLimitsForm, DisableForm
from portal.lib import streaming
from portal.models import User
from quotas import changes
from quotas.fields import FIELDS
from quotas.models import Grant

PAGE = 500
ACTIONS = ["set_limits", "grant", "sign_out", "disable", "enable", "export"]
COLUMNS = ["username", "name", "email", "groups", "active", "staff", "superuser", "projects_in_use",
           "running_in_use", *FIELDS, "joined", "last_sign_in"]  # fmt: skip


def staff_user(request: HttpRequest) -> User:
    """Return the signed-in user; the admin lets nobody else in."""
    return cast(User, request.user)


def _others(request: HttpRequest, chosen: QuerySet[User]) -> QuerySet[User]:
    return roles.changeable_by(staff_user(request), chosen).exclude(pk=staff_user(request).pk)


@admin.action(permissions=["set_limits"], description=lazy("Set limits"))
def set_limits(site: Any, request: HttpRequest, chosen: QuerySet[User]) -> HttpResponseBase | None:
    """Set limits for each of the chosen people, after a confirmation page."""
    action = PeopleAction(
        name="set_limits",
        title=_("Set limits"),
        button=_("Set them"),
        consequences=[
            _("The figures hold for each of these people, over those of their groups."),
            _("They are in force at the next launch. What is running is left alone."),
        ],
        act=lambda person, form: changes.set_own_limits(person, form.changes()),
        form=BulkLimitsForm,
        excluded=_("Only a superuser, or who may as much as they, changes these:"),
    )
    return confirmation.run(
        site, request, action, chosen, roles.changeable_by(staff_user(request), chosen)
    )


@admin.action(permissions=["grant"], description=lazy("Grant more for a time"))
def grant(site: Any, request: HttpRequest, chosen: QuerySet[User]) -> HttpResponseBase | None:
    """Give each of the chosen people the same grant, after a confirmation page."""
    by = staff_user(request)

    def give(person: User, form: BulkGrantForm) -> None:
        Grant.objects.create(user=person, given_by=by, **form.cleaned_data)

    action = PeopleAction(
        name="grant",
        title=_("Grant more for a time"),
        button=_("Grant it"),
        consequences=[
            _("Each of these people gets the grant, in force at the next launch."),
            _("It ends by itself when its last day is over. It never lowers anything."),
        ],
        act=give,
        form=lambda data: BulkGrantForm(data, by=by, people=chosen),
    )
    return confirmation.run(site, request, action, chosen, chosen)


@admin.action(permissions=["sign_out"], description=lazy("Sign out everywhere"))
def sign_out(site: Any, request: HttpRequest, chosen: QuerySet[User]) -> HttpResponseBase | None:
    """Sign the chosen people out everywhere, after a confirmation page."""
    action = PeopleAction(
        name="sign_out",
        title=_("Sign out everywhere"),
        button=_("Sign them out"),
        consequences=[
            _("All browsers of these people are signed out, and their open notebooks close."),
            _("Notebooks go on running, tokens stay good, and who can sign in may do so again."),
        ],
        act=lambda person, _form: manage.sign_out(person),
        excluded=_("Only a superuser, or who may as much as they, signs these out:"),
    )
    return confirmation.run(
        site, request, action, chosen, roles.changeable_by(staff_user(request), chosen)
    )


@admin.action(permissions=["disable"], description=lazy("Disable"))
def disable(site: Any, request: HttpRequest, chosen: QuerySet[User]) -> HttpResponseBase | None:
    """Disable the accounts of the chosen people, after a confirmation page."""
    by = staff_user(request)
    may_stop = by.has_perm("notebook_sessions.act_on_project")

    def act(person: User, form: DisableForm | None) -> None:
        manage.disable(person, by, stop=bool(form and form.cleaned_data["stop"]))

    action = PeopleAction(
        name="disable",
        title=_("Disable"),
        button=_("Disable them"),
        consequences=[
            _("These people are signed out and cannot sign in; their tokens are refused."),
            _("Their projects and files stay. Enabling them gives everything back."),
        ],
        act=act,
        form=DisableForm if may_stop else None,
        excluded=_("Left out are oneself, and who may more than oneself:"),
    )
    return confirmation.run(site, request, action, chosen, _others(request, chosen))


@admin.action(permissions=["disable"], description=lazy("Enable"))
def enable(site: Any, request: HttpRequest, chosen: QuerySet[User]) -> HttpResponseBase | None:
    """Enable the accounts of the chosen people, after a confirmation page."""
    action = PeopleAction(
        name="enable",
        title=_("Enable"),
        button=_("Enable them"),
        consequences=[_("These people can sign in again, and their tokens are good again.")],
        act=lambda person, _form: manage.enable(person),
        excluded=_("Left out are oneself, and who may more than oneself:"),
    )
    return confirmation.run(site, request, action, chosen, _others(request, chosen))


@admin.action(permissions=["view"], description=lazy("Export as CSV"))
def export(site: Any, request: HttpRequest, chosen: QuerySet[User]) -> StreamingHttpResponse:
    """Stream the chosen people as a CSV file."""
    return streaming.csv_response("people", COLUMNS, _pages(chosen.order_by("pk")))


def _pages(chosen: QuerySet[User]) -> Iterator[list[list[Any]]]:
    """Read `PAGE` people at a time, so that the file may be of any length."""
    users = list(chosen[:PAGE])
    while users:
        yield _lines(users)
        users = list(chosen.filter(pk__gt=users[-1].pk)[:PAGE])


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
