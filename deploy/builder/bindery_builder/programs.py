"""Run a program and pass on its output as it comes.

No process outlives the call: each program leads a process group, which is killed with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Timer
from typing import Final

from .output import Output

_CHUNK: Final = 65536
_TOO_LONG: Final = 600.0
_A_DAY: Final = 86_400.0

Each = Callable[[str], None]


def ignore(line: str) -> None:
    """Do nothing with a line; for programs whose output only matters to readers of the log."""


@contextmanager
def started(
    words: Sequence[str | Path], cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program; nothing of it outlives the ``with`` block."""
    with subprocess.Popen(
        words,
        cwd=cwd,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            end(process)


def run(
    words: Sequence[str | Path],
    output: Output,
    *,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    each: Each = ignore,
    seconds: float = _A_DAY,
) -> int:
    """Run the program and return its exit status; ``each`` gets every line that it writes.

    Raises `TimeoutError` if it was ended because it took longer than ``seconds``.
    """
    late = Event()

    def give_up() -> None:
        late.set()
        end(process)

    with started(words, cwd, variables) as process:
        timer = Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        follow(process, output, each)
        timer.cancel()
    if late.is_set():
        raise TimeoutError
    return process.returncode


def follow(process: subprocess.Popen[bytes], output: Output, each: Each = ignore) -> None:
    """Pass on the program's output until it closes it, then wait for the program to exit."""
    if process.stdout is None:
        raise ValueError("the program's output goes elsewhere")
    while piece := os.read(process.stdout.fileno(), _CHUNK):
        for line in output.feed(piece):
            each(line)
    for line in output.end_line():
        each(line)
    process.wait()


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and everything in its process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def answer(
    words: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    seconds: float = _TOO_LONG,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program and return its output, which does not go to the log.

    Raises `subprocess.TimeoutExpired`.
    """
    return subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
    )
