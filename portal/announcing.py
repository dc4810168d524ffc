"""What is announced now, as pages show it: read by `portal.context` for each of them."""

from __future__ import annotations

from django.core.cache import cache
from django.utils import timezone

from portal.models import Announcement

KEY = "bindery.announcements"
SECONDS = 5


def current() -> list[Announcement]:
    """Those to be shown now, the newest first.

    What staff write is seen within a few seconds; begin and end are exact, because all that
    have not ended are kept, and the clock decides.
    """
    now = timezone.now()
    kept = cache.get_or_set(KEY, _not_ended, SECONDS) or []
    return [each for each in kept if each.starts <= now and not (each.ends and each.ends <= now)]


def _not_ended() -> list[Announcement]:
    rows = Announcement.objects.exclude(ends__lte=timezone.now())
    return list(rows.order_by("-starts", "-pk"))
