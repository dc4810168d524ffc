"""Retry requests to a registry for a while, because it may answer in a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from . import programs
from .output import Output

RETRY_SECONDS = 120.0
PAUSE_SECONDS = 10.0


def run_with_retries(
    argv: Sequence[str],
    output: Output,
    variables: Mapping[str, str],
    *,
    should_retry: Callable[[], bool] = lambda: True,
    seconds: float = RETRY_SECONDS,
    pause: float = PAUSE_SECONDS,
) -> bool:
    """Run a program until it succeeds; return whether it did.

    ``should_retry`` says, from its output, whether trying again can help. It is retried after
    ``pause`` seconds each time, for ``seconds`` in all.
    """
    until = time.monotonic() + seconds
    while programs.run(argv, output, variables=variables):
        if not should_retry() or time.monotonic() + pause > until:
            return False
        output.write_line(f"The registry did not answer properly; trying again in {pause:.0f} s.")
        time.sleep(pause)
    return True
