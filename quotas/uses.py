"""What people have in use, as whoever knows it counts it: handed in when the portal starts.

`quotas` knows nothing of projects and sessions; its admin shows what these hold all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from portal.models import User
from quotas.admission import Use

Count = Callable[[Collection[User]], Mapping[int, Use]]

_COLUMNS = {
    "projects": "projects",
    "running": "running",
    "total_cpu": "cpu",
    "total_memory_gb": "memory_gb",
    "total_gpu": "gpu",
}
_counts: list[Count] = []


def counted_by(count: Count) -> None:
    """From now on ``count`` tells the use of many people, by their rows' numbers."""
    _counts[:] = [count]


def uses_of(users: Collection[User]) -> dict[int, Use]:
    """What each of these people has in use."""
    known = _counts[0](users) if _counts else {}
    return {user.pk: known.get(user.pk, Use()) for user in users}


def of_limit(use: Use, limit: str) -> float | None:
    """How much of a limit that is; None for limits that nothing counts against."""
    column = _COLUMNS.get(limit)
    return None if column is None else float(getattr(use, column))
