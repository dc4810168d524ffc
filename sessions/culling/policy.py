"""How long a project stays that nobody uses: the rule, pure, without the database.

After so many days without use it goes, and its owner is told a full day before. `lifecycle.culling`
acts by it; pages and API say by it when a project goes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

WARNING = timedelta(hours=24)
"""So long a warning has stood before anything is deleted."""
_ENDLESS = 36_500
"""Days: more than that is never, and would lead past the end of the calendar."""


def patience(idle_days: int) -> timedelta | None:
    """So long a project may be without use before its owner is warned; None is for ever.

    Half of the time at least, or who has a single day would be warned all the time.
    """
    if not 0 < idle_days <= _ENDLESS:
        return None
    time = timedelta(days=idle_days)
    return max(time - WARNING, time / 2)


def deletes_at(
    last_activity: datetime, goes: datetime | None, idle_days: int, now: datetime
) -> datetime | None:
    """When a project goes that nobody uses from now on, None if never; ``goes`` is what its
    owner has been told. Activity that lies ahead, because a clock was wrong, counts as now."""
    quiet = patience(idle_days)
    if quiet is None:
        return None
    return goes or max(min(last_activity, now) + quiet, now) + WARNING
