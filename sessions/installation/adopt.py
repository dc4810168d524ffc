"""Bring database and place together, or separate them, once somebody has seen what there is.

To adopt, the *database* takes the id of the place. So nothing in the place has to be changed, and
two databases cannot both believe that it is theirs unless somebody has said so.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.models import Installation
from portal.models.installation import new_id
from sessions.backends import Found, get_backend
from sessions.models import Build, Session

from . import known as numbers
from . import ownership
from .known import Verdict, known


@dataclass(frozen=True)
class Stock:
    """An inventory: the ids ("" is none), what was found in the place and which of it has a row.

    ``foreign`` names the objects that bear another id than the place.
    """

    verdict: Verdict
    database: str
    place: str
    there: Found
    known: Found
    foreign: list[str]


def take_stock() -> Stock:
    """Look at everything, and change nothing.

    Raises `BinderyError` if the back end cannot be read.
    """
    backend = get_backend()
    there = backend.found()
    return Stock(
        verdict=ownership.judge(there),
        database=Installation.objects.current_id(),
        place=backend.installation(),
        there=there,
        known=known(there),
        foreign=backend.foreign(),
    )


def adopt() -> Verdict:
    """Give both the place's id, or the database's where the place has none; return the new verdict.

    New rows get higher numbers than anything that is there: otherwise a new notebook would be taken
    for one that runs already.
    """
    backend = get_backend()
    there = backend.found()
    numbers.skip_to(Session, max(there.sessions, default=0))
    numbers.skip_to(Build, max(there.builds, default=0))
    mine = Installation.objects.current_id()
    place = backend.installation() or backend.give_installation(mine or new_id())
    Installation.objects.take(place)
    ownership.mark_all()
    return ownership.look(there)


def part() -> Verdict:
    """Give the database an id that nothing else has, and leave the place to its owner."""
    Installation.objects.take(new_id())
    return ownership.look()
