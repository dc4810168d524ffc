"""Check whether the database and the place where things are kept belong together.

`sessions.watch` calls `look` at its start and then each minute; `look` records what it sees in the
`Condition` called `PART`. `require` guards everything that changes something in the back end.
`rules` decides.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from django.utils.translation import gettext as _

from portal.models import Installation
from portal.models.installation import new_id
from sessions.backends import BuildReport, Found, ServerReport, get_backend
from sessions.errors import NotAllowed, TemporaryError
from sessions.models import Condition

from .known import Verdict, decide, known, newest

PART = "installation"
APART = frozenset({Verdict.UNDECIDED, Verdict.FOREIGN})
"""Reports of the back end may be about anything: there, the same numbers mean other things."""
USABLE = frozenset({Verdict.FITS, Verdict.UNREADABLE})
"""Launches go on with these verdicts."""
SECONDS = 5.0

log = logging.getLogger(__name__)


def look(there: Found | None = None) -> Verdict:
    """Decide, assign an id where the rule allows it, and record the verdict.

    ``there`` saves the listing if both have their id: numbers of what was listed just now. Raises
    `TemporaryError` if the back end is away.
    """
    verdict = judge(there)
    if verdict == Verdict.GIVE:
        verdict = _give()
    _note(verdict)
    return verdict


def judge(there: Found | None = None) -> Verdict:
    """Decide like `look`, but change nothing."""
    backend = get_backend()
    database = Installation.objects.current_id()
    try:
        place = backend.installation()
        are_given = bool(database and place)
        if there is None or not are_given:
            there = backend.found()
    except NotAllowed:
        return Verdict.UNREADABLE
    return decide(database, place, there, Found() if are_given else known(there), newest())


def are_one() -> bool:
    """Return whether both bear one id: only then is anything removed that has no row."""
    try:
        place = get_backend().installation()
    except NotAllowed:
        return False
    return bool(place) and place == Installation.objects.current_id()


def require() -> None:
    """Raise `TemporaryError` unless the back end may be told something.

    The verdict recorded last counts, and so do the ids as they are at this moment. A back end that
    is away does not make this fail by itself: the caller knows how to handle that.
    """
    try:
        verdict = noted() if are_one() else look()
    except TemporaryError:
        verdict = noted()
    if verdict not in USABLE:
        raise refusal(verdict)


def is_usable() -> bool:
    """Return whether the back end may be told something now."""
    try:
        require()
    except TemporaryError:
        return False
    return True


def noted() -> Verdict:
    """Return the verdict recorded last, by any process; one query."""
    words = Condition.objects.filter(part=PART).values_list("problem", flat=True).first()
    return Verdict(words) if words in set(Verdict) else Verdict.FITS


def refusal(verdict: Verdict) -> TemporaryError:
    """Return the error that tells a person why nothing can be started."""
    message = _(
        "Notebooks cannot be started at present: the portal's database and its data do not belong "
        "together. Nothing of yours is touched. The staff can mend this."
    )
    return TemporaryError(f"installation.{verdict.name.lower()}", message)


def listed(builds: Iterable[BuildReport], servers: Iterable[ServerReport]) -> Found:
    """Return the numbers of the builds and servers that bear the id of the place."""
    return Found(
        sessions=frozenset(each.id for each in servers if each.marked),
        builds=frozenset(each.id for each in builds if each.marked),
    )


def mark(builds: Iterable[BuildReport], servers: Iterable[ServerReport]) -> None:
    """Mark everything that has a row with the place's id, if any of these is still unmarked.

    Things made before there were ids have none.
    """
    marked = [*(each.marked for each in builds), *(each.marked for each in servers)]
    if not all(marked):
        mark_all()


def mark_all() -> None:
    """Mark everything that has a row with the id of its place."""
    if are_one():
        backend = get_backend()
        backend.mark(known(backend.found()))


class Follower:
    """Tells whether reports are about this database's rows; checks the ids every few seconds."""

    def __init__(self) -> None:
        self._until = 0.0
        self._may = False

    def may(self) -> bool:
        """Return whether reports may be acted on. Raises `TemporaryError` if nobody can tell."""
        if time.monotonic() >= self._until:
            self._may = are_one() or noted() == Verdict.UNREADABLE
            self._until = time.monotonic() + SECONDS
        return self._may


def _give() -> Verdict:
    """Give the id to the place first: if two processes do so at once, all use the first one's."""
    database = Installation.objects.current_id()
    place = get_backend().give_installation(database or new_id())
    if database and place != database:
        return Verdict.FOREIGN
    Installation.objects.take(place)
    log.info("the id of this installation is %s", place)
    return Verdict.FITS


def _note(verdict: Verdict) -> None:
    if verdict != Verdict.FITS and noted() != verdict:
        log.error("nothing is removed: %s; `manage.py adopt` shows what there is", verdict.value)
    Condition.objects.note(PART, verdict.value)
