"""Announcements by mail: a letter to each person whom it is for, written in slices by the worker.

A task may run twice, at the same time, or end in the middle: whoever has their letter gets no
other. `outbox` sends them, after all others and some each minute.
"""

from __future__ import annotations

import time

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.models import Announcement, Letter, User

from . import outbox

SLICE = 200
PATIENCE = 20.0
"""Seconds after which no further slice is begun: what is left is for the next task."""


def due() -> list[int]:
    """The announcements of which letters are to be written now."""
    return list(Announcement.objects.to_mail().values_list("pk", flat=True))


def write(pk: int) -> None:
    """Write the letters of one that are not written yet, as far as there is time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not _write_slice(pk):
            return


def _write_slice(pk: int) -> bool:
    """Write some, and say whether there may be more. One task at a time does it, and none for
    an announcement that was taken back meanwhile."""
    with transaction.atomic():
        announcement = Announcement.objects.to_mail().select_for_update().filter(pk=pk).first()
        if announcement is None:
            return False
        people = list(_without(announcement)[:SLICE])
        Letter.objects.bulk_create([_letter(announcement, person) for person in people])
        if len(people) < SLICE:
            Announcement.objects.filter(pk=pk).update(mailed=timezone.now())
    return len(people) == SLICE


def _without(announcement: Announcement) -> QuerySet[User]:
    """Whom it is for and who has no letter of it yet."""
    people = User.objects.filter(is_active=True).exclude(email="")
    if announcement.group:
        people = people.filter(groups=announcement.group)
    return people.exclude(letters__announcement=announcement).order_by("pk")


def _letter(announcement: Announcement, person: User) -> Letter:
    key = f"announcement-{announcement.pk}-{person.pk}"
    context = {"announcement": announcement}
    return outbox.written(key, person, "announcement", context, announcement)
