"""What the list of people is narrowed by, beyond their own columns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import User
from portal.roles import TITLES
from quotas.fields import FIELDS
from quotas.models import Grant, LimitSet

Choices = list[tuple[str, Any]]


class Role(admin.SimpleListFilter):
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


class OwnLimits(admin.SimpleListFilter):
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


class LastSignIn(admin.SimpleListFilter):
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
