"""Remove what nobody needs any more: by age and by size, least recently used first, never in use.

`sessions.watch.reconcile` has the worker call `tidy` about once an hour, and `free_disk_space`
while the disk is nearly full. Each works for a bounded time and continues the next time where it
stopped; two at once do no harm. `images` and `rows` (with logs) say what is removed and why; a
`Removal` tells staff about it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from sessions.errors import BinderyError
from sessions.models import Heartbeat, HeartbeatName
from sessions.retention import images, rows
from sessions.retention.rows import Deadline

INTERVAL = timedelta(hours=1)
MAX_SECONDS = 40.0
"""The worker kills a task after 55."""

CHORES = (images.tidy, rows.tidy_logs, rows.tidy_rows)

log = logging.getLogger(__name__)


def is_due() -> bool:
    """Return whether an hour is over, or the last run did not finish."""
    return not Heartbeat.objects.is_alive(HeartbeatName.RETENTION, within=INTERVAL)


def run_soon() -> None:
    """Have the next run start at once, not at its hour."""
    Heartbeat.objects.filter(name=HeartbeatName.RETENTION).delete()


def tidy(max_seconds: float = MAX_SECONDS) -> None:
    """Remove what is due, as far as there is time. Time that is left is used to measure images."""
    deadline = Deadline(max_seconds)
    for chore in CHORES:
        _run_chore(chore, deadline)
    if not deadline.is_over:
        Heartbeat.objects.beat(HeartbeatName.RETENTION, within=INTERVAL)
        _run_chore(images.measure, deadline)


def free_disk_space(seconds: float = MAX_SECONDS) -> None:
    """Remove images that nobody uses until enough of the disk is free again."""
    _run_chore(images.free_disk_space, Deadline(seconds))


def _run_chore(chore: Callable[[Deadline], None], deadline: Deadline) -> None:
    """Run a chore; if it fails, the others still run."""
    try:
        chore(deadline)
    except BinderyError as error:
        log.warning("not everything that is due has been removed: %s", error)
    except Exception:
        log.exception("%s failed and will be retried", chore.__module__)
