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
_ANSWER_TIMEOUT: Final = 600.0
CACHE_TIMEOUT: Final = 300.0
"""Seconds for the cache: a build that gets no more from it takes longer, and works all the same."""
_RUN_TIMEOUT: Final = 86_400.0

LineCallback = Callable[[str], None]


def ignore(line: str) -> None:
    """Do nothing with a line; for programs whose output only matters to readers of the log."""


@contextmanager
def open_process(
    argv: Sequence[str | Path], cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program; nothing of it outlives the ``with`` block."""
    with subprocess.Popen(
        argv,
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
            kill(process)


def run(
    argv: Sequence[str | Path],
    output: Output,
    *,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    on_line: LineCallback = ignore,
    seconds: float = _RUN_TIMEOUT,
) -> int:
    """Run the program and return its exit status; ``on_line`` gets every line that it writes.

    Raises `TimeoutError` if it was ended because it took longer than ``seconds``.
    """
    late = Event()

    def give_up() -> None:
        late.set()
        kill(process)

    with open_process(argv, cwd, variables) as process:
        timer = Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        follow(process, output, on_line)
        timer.cancel()
    if late.is_set():
        raise TimeoutError
    return process.returncode


def follow(
    process: subprocess.Popen[bytes], output: Output, on_line: LineCallback = ignore
) -> None:
    """Pass on the program's output until it closes it, then wait for the program to exit."""
    if process.stdout is None:
        raise ValueError("the program's output is not a pipe")
    while piece := os.read(process.stdout.fileno(), _CHUNK):
        for line in output.feed(piece):
            on_line(line)
    for line in output.end_line():
        on_line(line)
    process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and everything in its process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def capture(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    seconds: float = _ANSWER_TIMEOUT,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program and return its output, which does not go to the log.

    Raises `subprocess.TimeoutExpired`.
    """
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            kill(process)  # with its children, which may hold the pipes
            raise
    return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)
