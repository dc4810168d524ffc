"""Read the output of builds from any position.

Where in a build's output a reader is: which container, which line of it, and when that was.

The builder numbers its lines, so what is read twice is noticed and what is missing, too. The
time lets the cluster begin near the place.

Reading the output of builds: what has ended is read from the cluster, what runs is followed.

Whoever only asks now and then (a worker, a test) reads from the cluster each time. In watch,
`follow` has a thread for each running container, which has the lines at hand before they are
asked for, and wakes watch when there are some.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sessions.backends import LogPiece
from sessions.errors import BinderyError

from .buildpod import PHASES, STAGES
from .cluster import Cluster
from .labels import build_name

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


PIECE = 15_000
AT_HAND = 2_000
"""Lines that a follower keeps before it waits for them to be taken."""
PAUSE = 0.5
"""Seconds before a log whose stream has ended is asked for again: its container may have ended,
and that is not known yet, or its node may be out of reach."""


class Piece:
    """Lines of one container, gathered from a place on until they are enough."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lines: list[str] = []
        self._size = 0

    def take(self, raw: bytes) -> bool:
        """Add a line; False when it has no more room, and the line was not taken."""
        place, lines = self.place.read(raw)
        size = sum(len(line.encode()) + 1 for line in lines)
        if self._lines and self._size + size > PIECE:
            return False
        self.place = place
        self._lines += lines
        self._size += size
        return True

    def made(self) -> LogPiece | None:
        if not self._lines:
            return None
        text = "".join(f"{line}\n" for line in self._lines)
        return LogPiece(PHASES[self.place.container], text, str(self.place))


def read(cluster: Cluster, build_id: int, place: Place) -> Piece:
    """What a container has said so far after a place. Raises `TemporaryError`."""
    piece = Piece(place)
    lines = cluster.log(build_name(build_id), place.container, since=place.since)
    for raw in lines:
        if not piece.take(raw):
            break
    return piece


class Follower:
    """Follows one container from a place on, for as long as that has something to say."""

    def __init__(
        self, cluster: Cluster, build_id: int, place: Place, wake: Callable[[int], None]
    ) -> None:
        self.place = place
        self._build_id = build_id
        self._wake = wake
        self._lines: deque[bytes] = deque()
        self._room = threading.Semaphore(AT_HAND)
        self._left = threading.Event()
        self._over = threading.Event()
        name, container = build_name(build_id), place.container
        self._source = cluster.log(name, container, since=place.since, follow=True)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def has_ended(self) -> bool:
        return self._over.is_set() and not self._lines

    def leave(self) -> None:
        """Nobody takes its lines any more."""
        self._left.set()
        self._room.release()

    def piece(self) -> Piece:
        """What has come since, without waiting for more."""
        piece = Piece(self.place)
        while self._lines and piece.take(self._lines[0]):
            self._lines.popleft()
            self._room.release()
        self.place = piece.place
        return piece

    def _follow(self) -> None:
        try:
            self._keep(self._source)
        except BinderyError:
            pass  # watch begins again where this one came to
        finally:
            self._left.wait(PAUSE)
            self._over.set()
            self._wake(self._build_id)

    def _keep(self, source: Iterable[bytes]) -> None:
        for raw in source:
            self._room.acquire()
            if self._left.is_set():
                return
            self._lines.append(raw)
            self._wake(self._build_id)
