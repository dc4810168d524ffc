"""Bring database and place together, or separate them, once somebody has seen what there is.

To adopt, the *database* takes the id of the place. So nothing in the place has to be changed, and
two databases cannot both believe that it is theirs unless somebody has said so.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.models import Installation
from portal.models.installation import new_id
from sessions.backends import Inventory, get_backend
from sessions.models import Build, Session

from . import known as numbers
from . import ownership
from .known import OwnershipStatus, having_rows


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
        status=ownership.compare(found),
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
    ownership.mark_all()
    return ownership.check_and_record(found)


def separate() -> OwnershipStatus:
    """Give the database an id that nothing else has, and leave the place to its owner."""
    Installation.objects.set_id(new_id())
    return ownership.check_and_record()
