"""Telling people which of their projects go: a day before, in one letter with all of them, and
once more in full after the portal was away. `culling` calls it; pages show what it writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from portal import letters
from portal.models import User
from sessions.lifetimes import WARNING, patience
from sessions.models import Project
from sessions.models.project import ProjectQuerySet

LETTERS_AT_ONCE = 400
"""About; who is not told this minute is told the next, and has a full day from then on."""


def warn(
    people: Iterable[User], by_days: Mapping[int, list[int]], since: datetime, now: datetime
) -> int:
    """Announce what is due of these people's (``by_days``: their numbers by their days of
    inactivity), and say how many people were told."""
    told = 0
    names = {user.pk: user for user in people}
    for days, owners in by_days.items():
        with transaction.atomic():
            mine = Project.objects.existing().filter(owner__in=owners)
            first, again = _first(mine, days, now), _again(mine, since, now)
            for rows, is_again in ((again, True), (first, False)):
                told += _announce(rows, names, days, now, is_again=is_again)
    return told


def _first(mine: ProjectQuerySet, days: int, now: datetime) -> ProjectQuerySet:
    quiet = patience(days)
    return mine.filter(goes=None, last_activity__lte=now - quiet) if quiet else mine.none()


def _again(mine: ProjectQuerySet, since: datetime, now: datetime) -> ProjectQuerySet:
    """Those whose warning did not stand all the time, or was given by a clock that was wrong."""
    return mine.going().filter(Q(warned=None) | Q(warned__lt=since) | Q(warned__gt=now))


def _announce(
    rows: ProjectQuerySet, people: Mapping[int, User], days: int, now: datetime, *, is_again: bool
) -> int:
    owners = set(rows.values_list("owner", flat=True))
    if not owners:
        return 0
    rows.update(warned=now, goes=now + WARNING)
    if letters.are_sent():
        for owner, projects in _going_of(owners).items():
            _write(people[owner], projects, days, is_again=is_again)
    return len(owners)


def _going_of(owners: Iterable[int]) -> Mapping[int, list[Project]]:
    found: dict[int, list[Project]] = defaultdict(list)
    for project in Project.objects.going().filter(owner__in=owners):
        found[project.owner_id].append(project)
    return found


def _write(to: User, projects: list[Project], days: int, *, is_again: bool) -> None:
    """One letter a day; what is announced later that day stands on the pages."""
    kind = "going-again" if is_again else "going"
    context = {
        "projects": projects,
        "days": days,
        "again": is_again,
        "page": f"{settings.PORTAL_URL}{reverse('going')}",
    }
    letters.post(f"{kind}-{to.pk}-{timezone.localdate().isoformat()}", to, "going", context)
