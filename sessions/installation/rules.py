"""The rules, as pure functions: do database and place belong together, and is too much unknown?"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sessions.backends import Found

MANY = 5
"""This many unknown things may go, however few there are."""
SHARE = 5
"""Beyond that, at most one in this many may be unknown."""


class Verdict(StrEnum):
    """The answers of `decide`; the values are words for programs and operators, as in health."""

    FITS = ""
    GIVE = "no id is given yet"
    UNDECIDED = "the data have things that the database does not know"
    FOREIGN = "the data belong to another database"
    OLDER = "the database is older than the data"
    UNREADABLE = "the id of the namespace may not be read"


class Newest(NamedTuple):
    """The highest numbers that the database has ever given to sessions and builds."""

    session: int
    build: int


def decide(database: str, place: str, there: Found, known: Found, newest: Newest) -> Verdict:
    """Return whether a database and a place belong together, by the ids they bear ("" is none).

    ``there`` is what was found in the place, ``known`` the part of it that has a row. A missing id
    is given only if a mistake loses nothing: the place is empty, or all of it is known.
    """
    if database and place and database != place:
        return Verdict.FOREIGN
    is_newer = max(there.sessions, default=0) > newest.session
    is_newer = is_newer or max(there.builds, default=0) > newest.build
    if database and place:
        return Verdict.OLDER if is_newer else Verdict.FITS
    is_known = there.projects <= known.projects and there.volumes <= known.volumes
    return Verdict.GIVE if is_known and not is_newer else Verdict.UNDECIDED


def is_too_much(unknown: int, there: int) -> bool:
    """Return whether so much of what is there is unknown that the database itself is in doubt."""
    return unknown > MANY and SHARE * unknown > there
