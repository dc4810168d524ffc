"""What is wrong with the portal itself, in sentences for staff; `health` says it to programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.health import worker_is_deaf
from sessions import watch
from sessions.backends import Problem, get_backend
from sessions.models import Capacity

OLD = timedelta(minutes=10)


def troubles(there_is: Capacity | None) -> list[Problem]:
    """Everything that staff should know of; two queries. ``there_is`` was seen last."""
    return [*get_backend().problems(), *_processes(), *_old(there_is)]


def _processes() -> Iterator[Problem]:
    if worker_is_deaf():
        yield Problem(
            "portal.worker",
            _("No worker takes tasks: launches are accepted and do not go on."),
            _("Look at the worker's log, and start it again."),
        )
    if not watch.is_alive():
        yield Problem(
            "portal.watch",
            _("watch gives no sign of life: nobody sees what becomes of builds and notebooks."),
            _("Look at its log, and start it again. It goes on where it was."),
        )


def _old(there_is: Capacity | None) -> Iterator[Problem]:
    if there_is and there_is.at < timezone.now() - OLD:
        yield Problem(
            "portal.capacity",
            _("What there is was seen for the last time more than ten minutes ago."),
            _("watch asks the back end for it once a minute; its log says why it cannot."),
        )
