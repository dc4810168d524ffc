"""Looking again and again at something that takes its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST, LONGEST, GROWTH = 0.02, 0.25, 1.3


def looked(look: Callable[[], T | None], seconds: float) -> T | None:
    """The first true answer; the last one, if there is none within ``seconds``.

    The pauses grow: a look costs time that what is waited for could have.
    """
    end, pause = time.monotonic() + seconds, FIRST
    while not (found := look()) and time.monotonic() < end:
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST)
    return found
