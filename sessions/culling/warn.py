"""Tell people which of their projects will be deleted: a day before, in letters that name each.

`cull` calls it; pages show what it writes. After the portal was away, everyone is told again in
full.

The row is the truth: `Project.letter` is the letter that names its deletion. A person has one
letter on its way at a time. `rewrite` writes it just before it goes out, so it names everything
that is to be deleted by then, with a whole day to come. Until a letter has gone out, the deletion
is put off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from portal.mail import outbox
from portal.models import Letter, User
from quotas.limits import effective_of
from sessions.models import Project
from sessions.models.project import ProjectQuerySet

from .policy import WARNING_PERIOD, idle_period

MAX_LETTERS = 400
"""Approximate: those not warned this minute are warned the next, with a full day from then."""
POSTPONE_INTERVAL = timedelta(hours=1)
"""How often postponed deletions move: pages change less often, and the database does less."""
RETRY_INTERVAL = timedelta(days=1)
"""The pause before a mail that was refused eight times is retried from the start."""
FIRST_WARNING, REPEATED_WARNING = "going", "going-again"


class IdleGroup(NamedTuple):
    """People with the same days of inactivity, and since when the portal was there for them.

    ``since`` is None while they cannot sign in.
    """

    days: int
    since: datetime | None
    owners: list[int]


def warn(people: Iterable[User], groups: Sequence[IdleGroup], now: datetime) -> int:
    """Announce these people's projects that are due, and post the letters.

    Return how many people there are to be told.
    """
    fresh: set[int] = set()
    repeated_ids: set[int] = set()
    for days, since, owners in groups:
        if since:
            with transaction.atomic():
                mine = Project.objects.existing().filter(owner__in=owners)
                first, repeated = _newly_idle(mine, days, now), _interrupted(mine, since, now)
                repeated_ids |= _announce(repeated, now)
                fresh |= _announce(first, now)
    if outbox.is_mail_enabled():
        days_of = {pk: group.days for group in groups if group.since for pk in group.owners}
        _ensure_letters(
            [each for each in people if each.pk in days_of],
            days_of,
            fresh | repeated_ids,
            repeated_ids,
        )
    return len(fresh | repeated_ids)


def postpone(mine: ProjectQuerySet, now: datetime) -> None:
    """Postpone deletions that no letter has named yet: a whole day is to follow the letter."""
    near = mine.awaiting_letter().filter(goes__lt=now + WARNING_PERIOD - POSTPONE_INTERVAL)
    _reschedule(near, now + WARNING_PERIOD)


def rewrite(letter: Letter) -> bool:
    """Write a letter anew just before it goes out; return False if there is nothing left to tell.

    Projects that it names for the first time get a whole day from now on.
    """
    now = timezone.now()
    with transaction.atomic():
        untold = Project.objects.awaiting_letter().filter(owner=letter.to_id)
        _reschedule(untold.filter(goes__lt=now + WARNING_PERIOD), now + WARNING_PERIOD)
        named = list(untold.values_list("pk", flat=True))
        if not _expiring(pk__in=named).update(letter=letter):
            return False
        projects = list(Project.objects.expiring().filter(owner=letter.to_id))
    to = letter.to
    if to is None:
        return False
    context = _context(projects, int(effective_of(to)["idle_days"].value), letter.key)
    new = outbox.render_letter(letter.key, to, "deletion_warning", context)
    letter.subject, letter.text, letter.html = new.subject, new.text, new.html
    letter.save(update_fields=["subject", "text", "html"])
    return True


def _newly_idle(mine: ProjectQuerySet, days: int, now: datetime) -> ProjectQuerySet:
    quiet = idle_period(days)
    return mine.filter(goes=None, last_activity__lte=now - quiet) if quiet else mine.none()


def _interrupted(mine: ProjectQuerySet, since: datetime, now: datetime) -> ProjectQuerySet:
    """Return projects whose warning was interrupted, or was given by a clock that was wrong."""
    return mine.expiring().filter(Q(warned=None) | Q(warned__lt=since) | Q(warned__gt=now))


def _announce(rows: ProjectQuerySet, now: datetime) -> set[int]:
    """Schedule these for deletion in a day, whatever was said before; return their owners."""
    owners = set(rows.values_list("owner", flat=True))
    if owners:
        rows.update(warned=now, goes=now + WARNING_PERIOD, letter=None)
    return owners


def _expiring(**which: Any) -> ProjectQuerySet:
    """Return the projects that have a deletion date when they are updated: not one just kept."""
    return Project.objects.filter(goes__isnull=False, **which)


def _reschedule(rows: ProjectQuerySet, goes: datetime) -> None:
    if found := list(rows.values_list("pk", flat=True)):
        _expiring(pk__in=found).update(goes=goes)


def _ensure_letters(
    people: Collection[User], days: Mapping[int, int], announced: set[int], repeated_ids: set[int]
) -> None:
    """Make sure that a letter is on its way to each of these people who have not been told yet.

    This is checked anew each time: projects announced while the last letter went out get their own.
    """
    now = timezone.now()
    untold = Project.objects.awaiting_letter().filter(owner__in=people)
    hopeful = untold.exclude(pk__in=Project.objects.with_refused_letter().order_by().values("pk"))
    waiting = set(hopeful.values_list("owner", flat=True))
    if not waiting:
        return
    unsent = Letter.objects.unsent().filter(to__in=waiting, key__startswith=f"{FIRST_WARNING}-")
    rested = Q(to__in=announced) | Q(claimed__lt=now - RETRY_INTERVAL)
    unsent.failed().filter(rested).update(attempts=0, claimed=None)
    without = waiting - set(unsent.values_list("to", flat=True))
    projects = _by_owner(without)
    for person in people:
        if person.pk in without:
            kind = REPEATED_WARNING if person.pk in repeated_ids else FIRST_WARNING
            key = f"{kind}-{person.pk}-{now:%Y%m%dT%H%M%S}"
            context = _context(projects[person.pk], days[person.pk], key)
            outbox.post(key, person, "deletion_warning", context)


def _by_owner(owners: Collection[int]) -> Mapping[int, list[Project]]:
    found: dict[int, list[Project]] = defaultdict(list)
    for project in Project.objects.expiring().filter(owner__in=owners):
        found[project.owner_id].append(project)
    return found


def _context(projects: Sequence[Project], days: int, key: str) -> Mapping[str, Any]:
    return {
        "projects": projects,
        "days": days,
        "is_repeat": key.startswith(f"{REPEATED_WARNING}-"),
        "page_url": f"{settings.PORTAL_URL}{reverse('going')}",
    }
