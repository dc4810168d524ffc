"""Bringing database and place together, or parting them, once somebody has seen what there is.

To adopt is to have the *database* take the place's id: so nothing in the place has to be changed,
and two databases cannot both believe that it is theirs without anybody having said so.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.models import Installation
from portal.models.installation import new_id
from sessions.backends import Found, get_backend
from sessions.models import Build, Session

from . import known as numbers
from . import ownership
from .known import known
from .rules import Verdict


@dataclass(frozen=True)
class Stock:
    """What there is: the ids ("" is none), what was found in the place and what of it has a row.
    ``foreign`` names the objects that bear another id than the place."""

    verdict: Verdict
    database: str
    place: str
    there: Found
    known: Found
    foreign: list[str]


def take_stock() -> Stock:
    """Look at everything, and change nothing. Raises `BinderyError` where that cannot be done."""
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
    """Have both bear the place's id, or that of the database where the place has none.

    New rows get higher numbers than anything that is there: else a new notebook would be taken for
    one that runs already.
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
    """Give the database an id that nothing else has, and leave the place to whose it is."""
    Installation.objects.take(new_id())
    return ownership.look()
