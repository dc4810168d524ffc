"""Keep the portal's own processes running, for `manage.py up`.

Each part leads a session of its own, so that a signal reaches the part alone and never its process
group: a django-q cluster whose children are signalled as well never ends. Processes that a part
leaves behind when it dies are killed before the part is started again; otherwise the orphans of a
killed worker would go on working beside the new ones. Notebooks and builds are no children of these
processes and stay.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

from portal.lib.logs.formats import with_prefix

RESTART_DELAYS = (0.5, 1, 2, 5, 10, 30)
"""Seconds before a part is started again, after each death in a row."""
STABLE_AFTER = 60.0
"""A death after so many seconds of running is the first in a new row."""
STOP_TIMEOUT = 20.0
"""Seconds that a part has to end by itself."""
CHECK_INTERVAL = 10.0
"""Seconds between two checks whether a running part is sick.

The first check waits until the part has run for `STABLE_AFTER`, because a part that has just
started may have much to catch up with.
"""


class _Run:
    """One run of a part, from its start until it is reaped."""

    def __init__(self, command: Sequence[str], descriptors: Sequence[int]) -> None:
        # With `setpriv`, the kernel ends the part when this process dies, however it dies.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=descriptors,
            start_new_session=True,
        )
        self.output = self._process.stdout
        self.began = time.monotonic()
        self.deadline = math.inf

    def has_ended(self) -> bool:
        """Return whether the process has ended, without reaping it.

        Its id, which is also the group's, stays taken until `reap`.
        """
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, flags) is not None

    def terminate(self) -> None:
        """Send SIGTERM to the part only, not to its group. An earlier deadline stays in force."""
        self.deadline = min(self.deadline, time.monotonic() + STOP_TIMEOUT)
        os.kill(self._process.pid, signal.SIGTERM)

    def reap(self) -> str:
        """Kill the part, if it still runs, and the rest of its group; return why it ended."""
        os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class ManagedProcess:
    """One process of the portal, started again whenever it ends.

    ``is_stalled`` is called now and then while it runs: true means that it is alive but does
    nothing any more, and it is restarted. ``descriptors`` are file descriptors to inherit.
    ``format_line`` formats a line of output from the part's name and its text.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        is_stalled: Callable[[], bool] = lambda: False,
        descriptors: Sequence[int] = (),
        format_line: Callable[[str, str], str] = with_prefix,
    ) -> None:
        self.name = name
        self._command = command
        self._is_stalled = is_stalled
        self._descriptors = descriptors
        self._format_line = format_line
        self._run: _Run | None = None
        self._start_at = self._check_at = 0.0
        self._deaths = 0

    def tick(self) -> None:
        """Do what is due now: start, restart, or kill what does not end. Never waits."""
        now = time.monotonic()
        if self._run is None:
            if now >= self._start_at:
                self._start(now)
        elif self._run.has_ended() or now >= self._run.deadline:
            self._plan_restart(self._run, now)
        elif self._run.deadline == math.inf and now >= self._check_at:
            self._check_at = now + CHECK_INTERVAL
            if self._is_stalled():
                self._say("has stalled and is being restarted")
                self._run.terminate()

    def terminate(self) -> None:
        """Ask the part to end, for good."""
        if self._run:
            self._run.terminate()

    def wait(self, is_urgent: Callable[[], bool]) -> None:
        """Wait until the part has ended; kill it at its deadline, or once ``is_urgent``."""
        while self._run:
            overdue = is_urgent() or time.monotonic() >= self._run.deadline
            if overdue or self._run.has_ended():
                self._run.reap()
                self._run = None
            else:
                time.sleep(0.05)

    def _start(self, now: float) -> None:
        self._run = _Run(self._command, self._descriptors)
        self._check_at = now + STABLE_AFTER
        threading.Thread(target=self._relay_output, args=(self._run.output,), daemon=True).start()

    def _plan_restart(self, run: _Run, now: float) -> None:
        self._run = None
        self._deaths = 1 if now - run.began > STABLE_AFTER else self._deaths + 1
        pause = RESTART_DELAYS[min(self._deaths, len(RESTART_DELAYS)) - 1]
        self._start_at = now + pause
        self._say(f"ended ({run.reap()}) and restarts in {pause:g} s")

    def _relay_output(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                self._say(line.rstrip("\n"))

    def _say(self, text: str) -> None:
        # If nobody reads our output any more (`make run | head`), the part keeps running.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(f"{self._format_line(self.name, text)}\n")
            sys.stdout.flush()


def supervise(parts: Sequence[ManagedProcess], on_tick: Callable[[], None]) -> None:
    """Keep ``parts`` running until SIGTERM or SIGINT, then end them and return.

    ``on_tick`` is called several times a second. A second signal ends the parts at once. Call it
    from the main thread, which must live as long as the parts.
    """
    signals = _record_signals()
    while not signals:
        for part in parts:
            part.tick()
        on_tick()
        time.sleep(0.2)
    for part in parts:
        part.terminate()
    for part in parts:
        part.wait(lambda: len(signals) > 1)


def _record_signals() -> list[int]:
    """Return a list to which each signal that ends the portal is appended as it arrives.

    Handlers do nothing else: they may interrupt each other, and would wait for ever for a lock that
    the interrupted code holds, such as that of a `threading.Event`.
    """
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # respect `nohup`
            signal.signal(number, lambda number, _frame: received.append(number))
    return received
