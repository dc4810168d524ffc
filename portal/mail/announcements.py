"""Mail announcements: the worker writes a letter to each recipient, in slices.

A task may run twice, run at the same time as another, or end in the middle: nobody who has their
letter gets another. `outbox` sends these letters after all others, a number each minute.
"""

from __future__ import annotations

import time

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.models import Announcement, Letter, User

from . import outbox

SLICE = 200
MAX_SECONDS = 20.0
"""Seconds after which no further slice is begun; the next task does the rest."""


def due() -> list[int]:
    """Return the numbers of the announcements whose letters are to be written now."""
    return list(Announcement.objects.to_mail().values_list("pk", flat=True))


def write(pk: int) -> None:
    """Write the missing letters of an announcement, as far as there is time."""
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline:
        if not _write_slice(pk):
            return


def _write_slice(pk: int) -> bool:
    """Write some letters, and return whether there may be more.

    Only one task at a time does so, and none once the announcement was taken back.
    """
    with transaction.atomic():
        announcement = Announcement.objects.to_mail().select_for_update().filter(pk=pk).first()
        if announcement is None:
            return False
        people = list(_without_letter(announcement)[:SLICE])
        Letter.objects.bulk_create([_letter(announcement, person) for person in people])
        if len(people) < SLICE:
            Announcement.objects.filter(pk=pk).update(mailed=timezone.now())
    return len(people) == SLICE


def _without_letter(announcement: Announcement) -> QuerySet[User]:
    """Return the recipients who have no letter of it yet."""
    people = User.objects.filter(is_active=True).exclude(email="")
    if announcement.group:
        people = people.filter(groups=announcement.group)
    return people.exclude(letters__announcement=announcement).order_by("pk")


def _letter(announcement: Announcement, person: User) -> Letter:
    key = f"announcement-{announcement.pk}-{person.pk}"
    context = {"announcement": announcement}
    return outbox.render_letter(key, person, "announcement", context, announcement)
