"""Filters and columns of the list of people in the admin; `people` uses them.

What the columns count is looked up for a whole page at once, in `columns_by_user`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_value
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from portal.models import User
from portal.roles import TITLES
from quotas.fields import FIELDS, Effective, Source, format_day, format_limit
from quotas.limits import effective_of_many
from quotas.models import Grant, LimitSet
from sessions.admin.display import labelled, link_to_list, stacked
from sessions.models import Project, Session

Choices = list[tuple[str, Any]]


class RoleFilter(admin.SimpleListFilter):
    """Filter by role."""

    title = _("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [*TITLES.items(), ("superuser", _("superuser")), ("none", _("none"))]

    def queryset(self, request: HttpRequest, people: QuerySet[User]) -> QuerySet[User]:
        if self.value() == "superuser":
            return people.filter(is_superuser=True)
        if self.value() == "none":
            return people.filter(is_staff=False, is_superuser=False)
        in_role = User.groups.through.objects.filter(group__name=self.value())
        return people.filter(pk__in=in_role.values("user")) if self.value() else people


class OwnLimitsFilter(admin.SimpleListFilter):
    """Filter by whether limits are set for or granted to the person."""

    title = _("own limits")
    parameter_name = "limits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("own", _("set for them")), ("grant", _("granted")), ("none", _("neither"))]

    def queryset(self, request: HttpRequest, people: QuerySet[User]) -> QuerySet[User]:
        anything = Q()
        for name in FIELDS:
            anything |= Q(**{f"{name}__isnull": False})
        own = Q(pk__in=LimitSet.objects.filter(anything, user__isnull=False).values("user"))
        granted = Q(pk__in=Grant.objects.active().values("user"))
        wanted = {"own": own, "grant": granted, "none": ~own & ~granted}
        return people.filter(wanted.get(self.value() or "", Q()))


class LastSignInFilter(admin.SimpleListFilter):
    """Filter by when the person last signed in."""

    title = _("last sign-in")
    parameter_name = "seen"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            ("1", _("in the last day")),
            ("7", _("in the last 7 days")),
            ("30", _("in the last 30 days")),
            ("before", _("longer ago")),
            ("never", _("never")),
        ]

    def queryset(self, request: HttpRequest, people: QuerySet[User]) -> QuerySet[User]:
        value = self.value()
        if value in {"1", "7", "30"}:
            return people.filter(last_login__gte=timezone.now() - timedelta(days=int(value)))
        if value == "before":
            return people.filter(last_login__lt=timezone.now() - timedelta(days=30))
        return people.filter(last_login=None) if value == "never" else people


@dataclass(frozen=True)
class PersonColumns:
    """The extra columns of one person.

    ``groups`` are names in order, ``projects`` counts existing projects, ``running`` counts running
    notebooks, ``limits`` are the limits in force.
    """

    groups: tuple[str, ...]
    projects: int
    running: int
    limits: Mapping[str, Effective]


def columns_by_user(users: Collection[User]) -> dict[int, PersonColumns]:
    """Return a `PersonColumns` per person, by primary key, in a fixed number of queries."""
    groups, limits = _groups(users), effective_of_many(users)
    projects = Project.objects.existing().filter(owner__in=users)
    counted = _counts(projects.values_list("owner").order_by("owner"))
    holding = Session.objects.holding_resources().filter(project__owner__in=users)
    running = _counts(holding.values_list("project__owner").order_by("project__owner"))
    return {
        user.pk: PersonColumns(
            groups=tuple(groups[user.pk]),
            projects=counted.get(user.pk, 0),
            running=running.get(user.pk, 0),
            limits=limits[user.pk],
        )
        for user in users
    }


def _counts(owners: Any) -> dict[int, int]:
    return dict(owners.annotate(Count("pk")))


def _groups(users: Collection[User]) -> Mapping[int, list[str]]:
    groups: dict[int, list[str]] = defaultdict(list)
    rows = User.groups.through.objects.filter(user__in=users).order_by("group__name")
    for user_id, name in rows.values_list("user", "group__name"):
        groups[user_id].append(name)
    return groups


class PeopleChangeList(ChangeList):
    """The change list of people; each row has its ``columns``."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        found = columns_by_user(self.result_list)
        for user in self.result_list:
            user.columns = found[user.pk]


class ColumnsMixin:
    """Gives a ``ModelAdmin`` of people the list's columns.

    On a phone a row is a card without the table's head, so values come with their column's name.
    """

    @admin.display(description=_("username"), ordering="username")
    def name_and_roles(self, user: Any) -> SafeString | str:
        """Return the username and the person's roles."""
        held = [str(TITLES[name]) for name in user.columns.groups if name in TITLES]
        rights = [*([str(_("superuser"))] if user.is_superuser else []), *held]
        return stacked(user.username, ", ".join(rights))

    @admin.display(description=_("name and e-mail"), ordering="last_name", empty_value="")
    def name(self, user: User) -> SafeString | str:
        """Return the full name and the e-mail address."""
        return stacked(user.get_full_name(), user.email)

    @admin.display(description=_("active"), ordering="is_active")
    def active(self, user: User) -> SafeString | str:
        """Return an icon that says whether the person may sign in."""
        return labelled(_("active"), display_for_value(user.is_active, "", boolean=True))

    @admin.display(description=_("projects"))
    def projects(self, user: Any) -> SafeString | str:
        """Return the number of projects, linked to the list of them."""
        count = str(user.columns.projects)
        if user.columns.projects:
            count = link_to_list("project", count, owner__id__exact=user.pk)
        return labelled(_("projects"), count)

    @admin.display(description=_("running"))
    def running(self, user: Any) -> SafeString | str:
        """Return the number of running notebooks."""
        return labelled(_("running"), str(user.columns.running))

    @admin.display(description=_("own limits"), empty_value="")
    def limits(self, user: Any) -> SafeString:
        """Return the limits set for or granted to this person, grants with their last day."""
        own = [
            (FIELDS[name], format_limit(name, found.value), _until(found))
            for name, found in user.columns.limits.items()
            if found.source in {Source.PERSON, Source.GRANT}
        ]
        return format_html_join("", '<div class="own-limit">{}: <b>{}</b>{}</div>', own)

    @admin.display(description=_("last sign-in"), ordering="last_login")
    def last_sign_in(self, user: User) -> SafeString | str:
        """Return when the person last signed in."""
        if user.last_login is None:
            return labelled(_("last sign-in"), _("never"))
        moment = timezone.localtime(user.last_login)
        words = '<time datetime="{}" title="{}">{}</time>'
        day = date_format(moment, "SHORT_DATE_FORMAT")
        time = format_html(words, moment.isoformat(), date_format(moment, "DATETIME_FORMAT"), day)
        return labelled(_("last sign-in"), time)


def _until(found: Any) -> SafeString | str:
    if found.source != Source.GRANT:
        return ""
    words = _("granted until %(day)s") % {"day": format_day(found.until)}
    return format_html(' <span class="granted">{}</span>', words)
