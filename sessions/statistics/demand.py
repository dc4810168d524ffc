"""Say what nodes of a cluster should be ready for, by the use of the last week."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from sessions.models import Session
from sessions.models.session import SessionQuerySet

PERIOD = timedelta(days=7)
BURST = timedelta(minutes=10)
"""About the time in which an autoscaler adds a node."""


def popular_images(most: int) -> list[tuple[str, str]]:
    """Return image and digest of the environments of most notebooks, the most frequent first.

    Those of private repositories are left out.
    """
    rows = _started().filter(build__owner=None).exclude(build__image="")
    counted = rows.values_list("build__image", "build__digest").annotate(number=Count("pk"))
    ordered = counted.order_by("-number", "-build__image")[:most]
    return [(image, digest) for image, digest, _number in ordered]


def largest_burst(hour: int) -> int:
    """Return how many notebooks became ready within `BURST` of each other, in this hour of any day.

    ``hour`` is in the portal's time zone.
    """
    return max_within(_started().filter(ready__hour=hour).values_list("ready", flat=True))


def max_within(moments: Iterable[datetime | None]) -> int:
    """Return the largest number of these moments that lie within `BURST`."""
    ordered = sorted(moment for moment in moments if moment)
    first, largest = 0, 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] > BURST:
            first += 1
        largest = max(largest, last - first + 1)
    return largest


def _started() -> SessionQuerySet:
    return Session.objects.filter(ready__gt=timezone.now() - PERIOD)
