"""Wait for something by looking again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST, LONGEST, GROWTH = 0.02, 0.25, 1.3


def looked(look: Callable[[], T | None], seconds: float) -> T | None:
    """Return the first true answer, or the last one if none is true within ``seconds``.

    The pauses grow: a look costs time that the awaited thing could use.
    """
    end, pause = time.monotonic() + seconds, FIRST
    while not (found := look()) and time.monotonic() < end:
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST)
    return found
