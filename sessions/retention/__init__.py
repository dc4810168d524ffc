"""Remove what nobody needs any more: by age and by size, least recently used first, never in use.

`sessions.watch.reconcile` has the worker call `tidy` about once an hour, and `relieve` while the
disk is nearly full. Each works for a bounded time and continues the next time where it stopped; two
at once do no harm. `images`, `logs` and `rows` say what is removed and why; a `Removal` tells staff
about it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from sessions.errors import BinderyError
from sessions.models import Heartbeat, Sign
from sessions.retention import images, rows
from sessions.retention.rows import Patience

EVERY = timedelta(hours=1)
SECONDS = 40.0
"""The worker ends a task after 55."""

CHORES = (images.tidy, rows.tidy_logs, rows.tidy_rows)

log = logging.getLogger(__name__)


def is_due() -> bool:
    """Return whether an hour is over, or the last run did not finish."""
    return not Heartbeat.objects.is_alive(Sign.RETENTION, within=EVERY)


def hurry() -> None:
    """Have the next run start at once, not at its hour."""
    Heartbeat.objects.filter(name=Sign.RETENTION).delete()


def tidy(seconds: float = SECONDS) -> None:
    """Remove what is due, as far as there is time. Time that is left is used to measure images."""
    patience = Patience(seconds)
    for chore in CHORES:
        _guarded(chore, patience)
    if not patience.is_over:
        Heartbeat.objects.beat(Sign.RETENTION, within=EVERY)
        _guarded(images.weigh, patience)


def relieve(seconds: float = SECONDS) -> None:
    """Remove images that nobody uses until enough of the disk is free again."""
    _guarded(images.relieve, Patience(seconds))


def _guarded(chore: Callable[[Patience], None], patience: Patience) -> None:
    """Run a chore; if it fails, the others still run."""
    try:
        chore(patience)
    except BinderyError as error:
        log.warning("not everything that is to go is gone: %s", error)
    except Exception:
        log.exception("%s failed; it is tried again", chore.__module__)
