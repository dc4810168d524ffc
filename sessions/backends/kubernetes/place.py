"""Where in a build's output a reader is: which container, which line of it, and when that was.

The builder numbers its lines, so what is read twice is noticed and what is missing, too. The
time lets the cluster begin near the place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .buildpod import STAGES

_FRACTION = re.compile(r"\.\d+")
"""Of a second. The zone behind it stays: some nodes give their own."""
_TIME = re.compile(r"[0-9-]{10}T[0-9:]{8}\S{1,20}")
_NUMBER = re.compile(r"[0-9]{1,9}")
"""A build that has taken its container over may say any number, also one that nothing holds."""


@dataclass(frozen=True)
class Place:
    """After line ``number`` of the container ``STAGES[stage]``, which came at ``at``."""

    stage: int = 0
    number: int = 0
    at: str = ""

    @classmethod
    def parsed(cls, position: str) -> Place:
        """The place that a `LogPiece.position` stands for; "" is the beginning."""
        stage, number, at = (position or "0 0 ").split(" ")
        return cls(int(stage), int(number), at)

    def __str__(self) -> str:
        return f"{self.stage} {self.number} {self.at}"

    @property
    def container(self) -> str:
        return STAGES[self.stage]

    @property
    def since(self) -> str:
        """The second in which to begin to read again."""
        return _FRACTION.sub("", self.at)

    @property
    def is_last_stage(self) -> bool:
        return self.stage + 1 == len(STAGES)

    def next_stage(self) -> Place:
        return Place(self.stage + 1)

    def read(self, raw: bytes) -> tuple[Place, list[str]]:
        """The place after a line as the cluster gives it, and what is new in it.

        No line where it was read before, or where a node only says that it has none; one more
        where others between are missing.
        """
        words = raw.decode("utf-8", "replace").replace("\0", "").rstrip("\r\n")
        at, _blank, line = words.partition(" ")
        if not _TIME.fullmatch(at):
            return self, []
        number, blank, text = line.partition(" ")
        if not (blank and _NUMBER.fullmatch(number)):  # the container's own words
            return (replace(self, at=at), [line]) if at > self.at else (self, [])
        if int(number) <= self.number:
            return self, []
        missing = int(number) - self.number - 1
        gap = [f"… {missing} lines are missing here …"] if missing else []
        return replace(self, number=int(number), at=max(at, self.at)), [*gap, text]
