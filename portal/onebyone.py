"""What is made piece by piece in a thread, for whoever sends it from the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

from asgiref.sync import sync_to_async

Piece = TypeVar("Piece")


async def one_by_one(pieces: Iterator[Piece]) -> AsyncIterator[Piece]:
    """Each is asked for when the one before has been taken; Django would hold all of them."""
    while (piece := await sync_to_async(_next)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[Piece]) -> Piece | None:
    return next(pieces, None)
