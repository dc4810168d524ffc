"""A reader's place in a project's story, as one whole number.

The story is the project's events and, between them, the log of the build in play. The number
holds both places, so that it only ever grows, and fits a JavaScript number (53 bits): the
event's in the upper 21 bits, the log chunk's in the lower 32.
"""

from __future__ import annotations

from typing import NamedTuple

CHUNK_BITS = 32
HIGHEST = 2**53 - 1


class Cursor(NamedTuple):
    """After event ``event`` and after chunk ``chunk`` of the build in play there."""

    event: int = 0
    chunk: int = 0

    def pack(self) -> int:
        return self.event << CHUNK_BITS | self.chunk


def unpack(number: int) -> Cursor:
    """The place that `Cursor.pack` wrote; the beginning for what nobody wrote."""
    if not 0 <= number <= HIGHEST:
        return Cursor()
    return Cursor(number >> CHUNK_BITS, number & (1 << CHUNK_BITS) - 1)


def parse(text: str) -> int:
    """A cursor from outside: an empty one is the beginning. Raises ValueError for nonsense."""
    return int(text) if text.strip() else 0
