"""Admin of people: the list, and a page with each person's whole history.

Beside the row itself, a person's page shows what runs, what failed, what they own and who changed
what about them. Each part is shown only to those who may view its rows. `columns` has the list's
columns and filters, `actions` the actions, `erasures` the page that erases somebody,
`joining` the one that joins two accounts.
"""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from keys.models import KeyPair, Token
from portal import roles
from portal.accounts import passwords
from portal.accounts.identity import sign_in_summary
from portal.accounts.passwords import StaffPasswordForm
from portal.admin import actions
from portal.admin.actions import staff_user
from portal.admin.columns import (
    ColumnsMixin,
    LastSignInFilter,
    OwnLimitsFilter,
    PeopleChangeList,
    RoleFilter,
)
from portal.admin.erasures import EraseMixin
from portal.admin.groups import LimitsMixin
from portal.admin.joining import JoinMixin, may_join
from portal.lib.admin import FastCheckboxMixin
from portal.models import UsedName, User
from portal.privacy import erase
from quotas.admin.grants import GrantInline, set_given_by
from quotas.admin.limits_form import LimitsForm
from sessions.admin.bulk_action import BulkActionsMixin
from sessions.admin.filters import PerColumnSearchAdmin
from sessions.models import Project, Session
from sessions.states import SessionState

from . import audit

WEEK = timedelta(days=7)
MAX_ROWS = 20


def change_form_context(person: User, reader: User) -> dict[str, Any]:
    """Return the context for ``templates/admin/portal/user/change_form.html``.

    Parts that ``reader`` may not view are None.
    """
    may = reader.has_perm
    return {
        "identity": sign_in_summary(person),
        "volume": person.volume,
        "former_names": UsedName.objects.former_names(person),
        "fingerprint": _fingerprint(person) if may("keys.view_token") else None,
        "sign_ins": list(person.sign_ins.order_by("-created")[:MAX_ROWS]),
        "running": _running(person) if may("notebook_sessions.view_session") else None,
        "failures": _failures(person) if may("notebook_sessions.view_session") else None,
        "projects": _projects(person) if may("notebook_sessions.view_project") else None,
        "tokens": _tokens(person) if may("keys.view_token") else None,
        "history": _history(person) if may("auditlog.view_logentry") else None,
    }


def _running(person: User) -> list[Session]:
    live = Session.objects.live().filter(project__owner=person)
    return list(live.select_related("project", "build").order_by("-pk")[:MAX_ROWS])


def _failures(person: User) -> list[Session]:
    since = timezone.now() - WEEK
    rows = Session.objects.filter(project__owner=person, state=SessionState.FAILED)
    recent = rows.filter(ended__gte=since)
    return list(recent.select_related("project", "build").order_by("-ended")[:MAX_ROWS])


def _projects(person: User) -> list[Project]:
    mine = Project.objects.existing().filter(owner=person)
    return list(mine.select_related("current__build").order_by("-last_activity")[:MAX_ROWS])


def _fingerprint(person: User) -> str:
    """Return only the key pair's fingerprint; "" if there is no key pair."""
    pair = KeyPair.objects.filter(user=person)
    return pair.values_list("fingerprint", flat=True).first() or ""


def _tokens(person: User) -> list[Token]:
    return list(Token.objects.filter(user=person).defer("digest").order_by("-pk"))


def _history(person: User) -> list[dict[str, Any]]:
    return [
        {"entry": entry, "actor": audit.actor(entry), "changes": audit.changes(entry)}
        for entry in audit.history_of(person)
    ]


FOR_SUPERUSERS = ["is_superuser", "user_permissions"]


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
            self.add_error(
                "groups", _("You need all of a group's permissions to add people to it.")
            )
        if any(group.name in roles.ROLES for group in chosen):
            data["is_staff"] = True  # without it, the role would give no access
        return data


def _changed_groups(person: User, chosen: set[Group]) -> Any:
    before = set(person.groups.all())
    return Group.objects.filter(pk__in=[group.pk for group in chosen ^ before])


@admin.register(User)
class PersonAdmin(
    ColumnsMixin,
    EraseMixin,
    JoinMixin,
    LimitsMixin,
    BulkActionsMixin,
    FastCheckboxMixin,
    PerColumnSearchAdmin[User],
    UserAdmin[User],
):
    """Django's admin of users, with limits, grants and history.

    Only a superuser changes a superuser.
    """

    form = PersonForm
    change_form_template = "admin/portal/user/change_form.html"
    list_display = [
        "name_and_roles",
        "name",
        "active",
        "projects",
        "running",
        "last_sign_in",
        "limits",
    ]
    list_filter = ["is_active", RoleFilter, OwnLimitsFilter, LastSignInFilter, "groups"]
    ordering = ["-last_login", "username"]
    list_per_page = 40
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    readonly_fields = [
        "last_login",
        "date_joined",
        "signed_out",
        "password_given",
        "password_chosen",
    ]
    inlines = [GrantInline]
    bulk_actions = actions.BULK_ACTIONS
    actions = [actions.export]
    fieldsets = [
        (None, {"fields": ["username", "password", ("first_name", "last_name"), "email"]}),
        (_("Permissions"), {"fields": ["is_active", "is_staff", "groups"]}),
        (_("Permissions that superusers grant"), {"fields": ["is_superuser", "user_permissions"],
                                            "classes": ["collapse"]}),
        (_("Sign-in"), {"fields": [("last_login", "date_joined", "signed_out"),
                                   ("password_given", "password_chosen")]}),
    ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Return the admin's addresses, with ``<id>/erase/`` and ``<id>/join/`` in front."""
        views = {"erase": self.erase_view, "join": self.join_view}
        admin_view = self.admin_site.admin_view
        pages = [
            path(f"<int:object_id>/{page}/", admin_view(view), name=f"portal_user_{page}")
            for page, view in views.items()
        ]
        return [*pages, *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Hide the password's field, which shows the digest, from those who may not change it."""
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        (name, first), *others = found
        fields = [field for field in first["fields"] if field != "password"]
        return [(name, {**first, "fields": fields}), *others]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        if not request.user.is_superuser:
            fields += FOR_SUPERUSERS
        if not request.user.has_perm("portal.disable_user"):
            fields.append("is_active")
        return fields

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return self.inlines if obj else []

    def get_form(self, request: HttpRequest, obj: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return the form class, told who is changing the person."""
        form = super().get_form(request, obj, *args, **kwargs)
        form.by = staff_user(request)
        return form

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PeopleChangeList]:
        return PeopleChangeList

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Render the form with the person's history, and what the reader may do to them."""
        person = context.get("original")
        if person:
            context |= change_form_context(person, staff_user(request))
            context["may_grant"] = request.user.has_perm("quotas.add_grant")
            context["may_join"] = may_join(staff_user(request), person)
            context["may_erase"] = erase.may_erase(staff_user(request), person)
        return super().render_change_form(request, context, *args, **kwargs)

    def user_change_password(
        self,
        request: HttpRequest,
        id: str,  # noqa: A002  as Django has it
        form_url: str = "",
    ) -> HttpResponse:
        """Set a password that the person has to change.

        Someone who signs in by a provider has no password, and only a superuser may set one: they
        would not need it, and so not notice.
        """
        person = self.get_object(request, unquote(id))
        if person and person.subject and not request.user.is_superuser:
            said = _(
                "They sign in with their provider: only a superuser can set a password for them."
            )
            messages.error(request, said)
            return redirect("admin:portal_user_changelist")
        here: Any = copy(self)  # for this request only
        here.change_password_form = partial(StaffPasswordForm, by=staff_user(request))
        answer: HttpResponse = super(PersonAdmin, here).user_change_password(request, id, form_url)
        return answer

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Mark a first password as given by staff; tell the old e-mail address when it changes."""
        if not change:
            passwords.record_setter(obj, staff_user(request))
        super().save_model(request, obj, form, change)
        before = form.initial.get("email")
        if change and before and before != obj.email and obj.pk != staff_user(request).pk:
            passwords.notify(obj, "address_changed", before)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        set_given_by(formset, staff_user(request))
        super().save_formset(request, form, formset, change)

    # --- Permissions ---
    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or _may_change(staff_user(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Forbid deletion: it would free the username, and the volume with it (see `erasures`)."""
        return False


def _may_change(by: User, person: User) -> bool:
    """Nobody may change a person who is erased or about to be."""
    return not erase.is_being_erased(person) and roles.may_change(by, person)
