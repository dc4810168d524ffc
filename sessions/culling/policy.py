"""The rule for how long an unused project stays: pure, without the database.

After some days without use it is deleted, and its owner is told a full day before.
`sessions.culling.cull` acts on it; pages and API use it to say when a project will be deleted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

WARNING = timedelta(hours=24)
"""The time between a warning and the deletion."""
_ENDLESS = 36_500
"""Days: more than that means never, and would lead past the end of the calendar."""


def patience(idle_days: int) -> timedelta | None:
    """Return how long a project may be unused before its owner is warned; None means for ever.

    At least half of the time: otherwise people with a single day would be warned all the time.
    """
    if not 0 < idle_days <= _ENDLESS:
        return None
    time = timedelta(days=idle_days)
    return max(time - WARNING, time / 2)


def deletes_at(
    last_activity: datetime, goes: datetime | None, idle_days: int, now: datetime
) -> datetime | None:
    """Return when a project will be deleted if nobody uses it from now on; None if never.

    ``goes`` is the date that its owner has been told. Activity in the future, from a clock that was
    wrong, counts as now.
    """
    quiet = patience(idle_days)
    if quiet is None:
        return None
    return goes or max(min(last_activity, now) + quiet, now) + WARNING
