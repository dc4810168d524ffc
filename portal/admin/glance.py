"""What the list of people says of each beside their own columns: looked up for a page at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db.models import Count
from django.http import HttpRequest

from portal.models import User
from quotas.effective import Effective
from quotas.limits import effective_of_many
from sessions.models import Project, Session


@dataclass(frozen=True)
class Glance:
    """``groups`` by name; ``projects`` that exist, notebooks ``running``, the limits in force."""

    groups: tuple[str, ...]
    projects: int
    running: int
    limits: Mapping[str, Effective]


def glances(users: Collection[User]) -> dict[int, Glance]:
    """By the people's rows' numbers, in a fixed number of queries."""
    groups, limits = _groups(users), effective_of_many(users)
    projects = Project.objects.existing().filter(owner__in=users)
    counted = _counts(projects.values_list("owner").order_by("owner"))
    holding = Session.objects.holding().filter(project__owner__in=users)
    running = _counts(holding.values_list("project__owner").order_by("project__owner"))
    return {
        user.pk: Glance(
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


class PeopleList(ChangeList):
    """The list's page, each row with its ``glance``."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        found = glances(self.result_list)
        for user in self.result_list:
            user.glance = found[user.pk]
