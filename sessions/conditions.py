"""How the parts of the portal are, as far as watch can see, and since when.

Watch looks every few beats and `reconcile` whenever it has asked the back end. What they see stands
in rows, so that neither a page nor ``/health`` waits for anything. Whether watch itself lives and
there is a database, whoever asks has to find out (`portal.health`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from portal import letters
from sessions import channel, space
from sessions.backends import get_backend
from sessions.errors import TemporaryError
from sessions.lifecycle import queue
from sessions.lifetimes import WARNING
from sessions.models import Condition, Heartbeat, Project, Sign

PAUSE = 15.0
"""Seconds between two looks."""
BACKEND = "backend"
SIGN_IN = "sign-in"
"""Noted by `portal.oidc.answering`."""
IN_VAIN = 4
"""Rounds of asking notebooks that may fail before it is called a trouble."""

# Words for programs and operators: short, in English, and nothing that outsiders may not know.
DEAF = "tasks wait for too long"
UNASKED = "notebooks have not been asked what they do"
NO_ROOM = "little room is left"
NO_CHANNEL = "Redis does not answer"
NO_MAIL = "the mail server does not take letters"
UNTOLD = "deletions are put off: letters about them could not be sent"


def look() -> None:
    """Note how each part is that this portal has, and forget those that it has no more."""
    optional = {
        "channel": (bool(settings.REDIS_URL), _channel),
        "mail": (letters.are_sent(), _mail),
        "deletions": (letters.are_sent(), _deletions),
    }
    there = {part: ask for part, (is_set, ask) in optional.items() if is_set}
    gone = optional.keys() - there.keys() | (set() if settings.OIDC_PROVIDERS else {SIGN_IN})
    Condition.objects.filter(part__in=gone).delete()
    asked: dict[str, Callable[[], str]] = {"worker": worker, "activity": _activity, "disk": _disk}
    for part, ask in (asked | there).items():
        Condition.objects.note(part, ask())


@contextmanager
def asking_backend() -> Iterator[None]:
    """Note whether the back end answers, and whether all is well with it."""
    try:
        yield
    except TemporaryError as error:
        Condition.objects.note(BACKEND, error.code)
        raise
    Condition.objects.note(BACKEND, ", ".join(each.id for each in get_backend().problems()))


def worker() -> str:
    return DEAF if queue.is_deaf() else ""


def _activity() -> str:
    """Notebooks are asked by a thread of watch; where that fails, none is taken for idle."""
    patience = timedelta(seconds=IN_VAIN * settings.PORTAL_ACTIVITY_SECONDS)
    begun = Heartbeat.objects.filter(name=Sign.WATCH, since__lt=timezone.now() - patience).exists()
    return (
        UNASKED if begun and not Heartbeat.objects.is_alive(Sign.ACTIVITY, within=patience) else ""
    )


def _disk() -> str:
    return NO_ROOM if space.is_short() else ""


def _channel() -> str:
    return "" if channel.answers() else NO_CHANNEL


def _mail() -> str:
    return NO_MAIL if letters.server_is_away() else ""


def _deletions() -> str:
    """Say whether any deletion waits for its letter that would have been due by now."""
    due = Project.objects.untold().filter(warned__lte=timezone.now() - WARNING)
    return UNTOLD if due.exists() else ""
