"""Record what was promised: each accepted command with its target state, and kernels' variables.

Only its owner's thread changes a project; only the counters are shared.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field

RUNNING, STOPPED, DELETED = "running", "stopped", "deleted"
ASKS_FOR = {
    "launch": RUNNING,
    "start": RUNNING,
    "rebuild": RUNNING,
    "stop": STOPPED,
    "cancel": STOPPED,
    "delete": DELETED,
}


@dataclass(frozen=True)
class Memory:
    """A kernel's process and the value of its variable: constant for as long as it lives."""

    kernel: str
    pid: int
    value: int

    @property
    def shown(self) -> str:
        """Return the output of the kernel if it is still the same one."""
        return f"{self.pid} {self.value}\n"


@dataclass
class Promise:
    """A project as its owner expects it, after the last accepted command."""

    name: str
    owner: str
    repository: str
    command: str = "launch"
    memories: list[Memory] = field(default_factory=list)

    @property
    def wanted(self) -> str:
        """Return the state that the last accepted command asks for: running, stopped or deleted."""
        return ASKS_FOR[self.command]

    def follow(self, command: str) -> None:
        """Expect from now on what this command asks for."""
        self.command = command


class Ledger:
    """The record of a drill.

    ``refused`` counts definite refusals by code, ``unanswered`` requests that had to be repeated.
    """

    def __init__(self) -> None:
        self.promises: list[Promise] = []
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        self.recovery: defaultdict[str, list[float]] = defaultdict(list)
        self.violations: list[str] = []
        self._lock = threading.Lock()

    def count(self, what: Counter[str], reason: str) -> None:
        """Add one to a counter."""
        with self._lock:
            what[reason] += 1

    def promise(self, promise: Promise) -> None:
        """Add a project."""
        with self._lock:
            self.promises.append(promise)

    def accuse(self, sentence: str) -> None:
        """Note a violation."""
        with self._lock:
            self.violations.append(sentence)
        print(f"VIOLATION so far: {sentence}", flush=True)  # a drill that breaks off has no report
