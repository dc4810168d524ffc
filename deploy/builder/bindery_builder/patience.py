"""Retry requests to a registry for a while, because it may answer in a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from . import programs
from .output import Output

PATIENCE = 120.0
PAUSE = 10.0


def insist(
    words: Sequence[str],
    output: Output,
    variables: Mapping[str, str],
    *,
    worth: Callable[[], bool] = lambda: True,
    patience: float = PATIENCE,
    pause: float = PAUSE,
) -> bool:
    """Run a program until it succeeds; return whether it did.

    ``worth`` says, from its output, whether trying again can help. It is retried after ``pause``
    seconds each time, for ``patience`` seconds in all.
    """
    until = time.monotonic() + patience
    while programs.run(words, output, variables=variables):
        if not worth() or time.monotonic() + pause > until:
            return False
        output.say(f"The registry did not answer as it should; trying again in {pause:.0f} s.")
        time.sleep(pause)
    return True
