"""A registry that does not answer now may do so in a moment: asked again, for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from . import programs
from .output import Output

_PATIENCE = 120.0
_PAUSE = 10.0


def insist(
    words: Sequence[str],
    output: Output,
    variables: Mapping[str, str],
    *,
    worth: Callable[[], bool] = lambda: True,
) -> bool:
    """Whether the program succeeded, if not at once then later.

    ``worth`` says, from what it wrote, whether trying again can help.
    """
    until = time.monotonic() + _PATIENCE
    while programs.run(words, output, variables=variables):
        if not worth() or time.monotonic() + _PAUSE > until:
            return False
        output.say(f"The registry did not answer as it should; trying again in {_PAUSE:.0f} s.")
        time.sleep(_PAUSE)
    return True
