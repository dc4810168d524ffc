"""Check whether the database and the place where things are kept belong together.

`sessions.watch` calls `check_and_record` at its start and then each minute; `check_and_record`
records what it sees in the `Condition` called `PART`. `require` guards everything that changes
something in the back end. `known` decides.

`manage.py adopt` brings the two together, or separates them, once somebody has seen what there is.
To adopt, the *database* takes the id of the place. So nothing in the place has to be changed, and
two databases cannot both believe that it is theirs unless somebody has said so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from portal.models import Installation
from portal.models.installation import new_id
from sessions.backends import BuildReport, Inventory, ServerReport, get_backend
from sessions.errors import NotAllowed, TemporaryError
from sessions.models import Build, Condition, Session

from . import known as numbers
from .known import OwnershipStatus, having_rows, highest_numbers, ownership_status

PART = "installation"
MISMATCHED = frozenset({OwnershipStatus.UNDECIDED, OwnershipStatus.FOREIGN})
"""The back end's reports cannot be trusted: the same numbers may mean other things there."""
USABLE = frozenset({OwnershipStatus.MATCHES, OwnershipStatus.UNREADABLE})
"""Launches continue with these."""
CHECK_INTERVAL = 5.0

log = logging.getLogger(__name__)


def check_and_record(found: Inventory | None = None) -> OwnershipStatus:
    """Decide, assign an id where the rule allows it, and record the status.

    ``found`` saves the listing if both have their id: numbers of what was listed just now. Raises
    `TemporaryError` if the back end is away.
    """
    status = compare(found)
    if status == OwnershipStatus.UNASSIGNED:
        status = _assign_id()
    _record(status)
    return status


def compare(found: Inventory | None = None) -> OwnershipStatus:
    """Decide as `check_and_record` does, but change nothing.

    ``found`` is as there. Raises `TemporaryError` if the back end is away.
    """
    backend = get_backend()
    database = Installation.objects.current_id()
    try:
        place = backend.installation()
        are_given = bool(database and place)
        if found is None or not are_given:
            found = backend.inventory()
    except NotAllowed:
        return OwnershipStatus.UNREADABLE
    return ownership_status(
        database, place, found, Inventory() if are_given else having_rows(found), highest_numbers()
    )


def ids_match() -> bool:
    """Return whether both bear one id: only then is anything removed that has no row."""
    try:
        place = get_backend().installation()
    except NotAllowed:
        return False
    return bool(place) and place == Installation.objects.current_id()


def require() -> None:
    """Raise `TemporaryError` unless the back end may be told something.

    The status recorded last counts, and so do the ids as they are at this moment. A back end that
    is away does not make this fail by itself: the caller knows how to handle that.
    """
    try:
        status = recorded() if ids_match() else check_and_record()
    except TemporaryError:
        status = recorded()
    if status not in USABLE:
        raise refusal(status)


def is_usable() -> bool:
    """Return whether the back end may be told something now."""
    try:
        require()
    except TemporaryError:
        return False
    return True


def recorded() -> OwnershipStatus:
    """Return the status recorded last, by any process; one query."""
    words = Condition.objects.filter(part=PART).values_list("problem", flat=True).first()
    return OwnershipStatus(words) if words in set(OwnershipStatus) else OwnershipStatus.MATCHES


def refusal(status: OwnershipStatus) -> TemporaryError:
    """Return the error that tells a person why nothing can be started."""
    message = _(
        "Notebooks cannot be started right now: the portal's database and its data do not belong "
        "together. Your files are not touched. Tell the staff, who can fix this."
    )
    return TemporaryError(f"installation.{status.name.lower()}", message)


def found_in_reports(builds: Iterable[BuildReport], servers: Iterable[ServerReport]) -> Inventory:
    """Return the numbers of the builds and servers that bear the id of the place."""
    return Inventory(
        sessions=frozenset(each.id for each in servers if each.has_installation_id),
        builds=frozenset(each.id for each in builds if each.has_installation_id),
    )


def mark_if_needed(builds: Iterable[BuildReport], servers: Iterable[ServerReport]) -> None:
    """Mark everything that has a row with the place's id, if any of these is still unmarked.

    Things made before there were ids have none.
    """
    marked = [
        *(each.has_installation_id for each in builds),
        *(each.has_installation_id for each in servers),
    ]
    if not all(marked):
        mark_all()


def mark_all() -> None:
    """Mark everything that has a row with the id of its place."""
    if ids_match():
        backend = get_backend()
        backend.assign_installation(having_rows(backend.inventory()))


class OwnershipCheck:
    """Tells whether reports are about this database's rows; checks the ids every few seconds."""

    def __init__(self) -> None:
        self._until = 0.0
        self._is_ours = False

    def is_ours(self) -> bool:
        """Return whether reports may be acted on. Raises `TemporaryError` if nobody can tell."""
        if time.monotonic() >= self._until:
            self._is_ours = ids_match() or recorded() == OwnershipStatus.UNREADABLE
            self._until = time.monotonic() + CHECK_INTERVAL
        return self._is_ours


def _assign_id() -> OwnershipStatus:
    """Give the id to the place first: if two processes do so at once, all use the first one's."""
    database = Installation.objects.current_id()
    place = get_backend().ensure_installation(database or new_id())
    if database and place != database:
        return OwnershipStatus.FOREIGN
    Installation.objects.set_id(place)
    log.info("the id of this installation is %s", place)
    return OwnershipStatus.MATCHES


def _record(status: OwnershipStatus) -> None:
    if status != OwnershipStatus.MATCHES and recorded() != status:
        log.error("nothing is removed: %s; `manage.py adopt` shows the details", status.value)
    Condition.objects.record(PART, status.value)


@dataclass(frozen=True)
class InstallationReport:
    """An inventory: the ids ("" is none), what was found in the place and which of it has a row.

    ``foreign`` names the objects that bear another id than the place.
    """

    status: OwnershipStatus
    database_id: str
    place_id: str
    found: Inventory
    known: Inventory
    foreign: list[str]


def take_inventory() -> InstallationReport:
    """Look at everything, and change nothing.

    Raises `BinderyError` if the back end cannot be read.
    """
    backend = get_backend()
    found = backend.inventory()
    return InstallationReport(
        status=compare(found),
        database_id=Installation.objects.current_id(),
        place_id=backend.installation(),
        found=found,
        known=having_rows(found),
        foreign=backend.foreign(),
    )


def adopt() -> OwnershipStatus:
    """Give both the place's id, or the database's where the place has none; return the new status.

    New rows get higher numbers than anything that is there: otherwise a new notebook would be taken
    for one that runs already.
    """
    backend = get_backend()
    found = backend.inventory()
    numbers.advance_sequence(Session, max(found.sessions, default=0))
    numbers.advance_sequence(Build, max(found.builds, default=0))
    mine = Installation.objects.current_id()
    place = backend.installation() or backend.ensure_installation(mine or new_id())
    Installation.objects.set_id(place)
    mark_all()
    return check_and_record(found)


def separate() -> OwnershipStatus:
    """Give the database an id that nothing else has, and leave the place to its owner."""
    Installation.objects.set_id(new_id())
    return check_and_record()
