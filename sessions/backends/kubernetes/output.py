"""Read the output of builds from any position.

A `Place` says where a reader is: which container, which line of it, and when that line came. The
builder numbers its lines, so that repeated and missing lines are noticed; the time lets the cluster
start near the place.

Finished containers are read from the cluster, running ones can be followed. Callers that ask only
now and then (a worker, a test) read from the cluster each time. For the watch process, a `Follower`
has a thread per running container, which keeps lines ready and wakes watch when there are some.
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
"""Fraction of a second. The zone behind it stays: some nodes give their own."""
_TIME = re.compile(r"[0-9-]{10}T[0-9:]{8}\S{1,20}")
_NUMBER = re.compile(r"[0-9]{1,9}")
"""A line number. A build that has taken over its container may send any, even a huge one."""


@dataclass(frozen=True)
class Place:
    """A position: after line ``number`` of ``STAGES[stage]``'s container, which came at ``at``."""

    stage: int = 0
    number: int = 0
    at: str = ""

    @classmethod
    def parsed(cls, position: str) -> Place:
        """Return the place that a `LogPiece.position` stands for; "" is the beginning."""
        stage, number, at = (position or "0 0 ").split(" ")
        return cls(int(stage), int(number), at)

    def __str__(self) -> str:
        return f"{self.stage} {self.number} {self.at}"

    @property
    def container(self) -> str:
        return STAGES[self.stage]

    @property
    def since(self) -> str:
        """The second from which to read again."""
        return _FRACTION.sub("", self.at)

    @property
    def is_last_stage(self) -> bool:
        return self.stage + 1 == len(STAGES)

    def next_stage(self) -> Place:
        """Return the beginning of the next container's output."""
        return Place(self.stage + 1)

    def read(self, raw: bytes) -> tuple[Place, list[str]]:
        """Return the place after a raw line of the cluster's log, and its new text.

        No text if it was read before, or is only a node's notice that it has none; an extra line if
        lines in between are missing.
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
"""Lines that a follower buffers before it waits for them to be taken."""
PAUSE = 0.5
"""Seconds before a log whose stream has ended is requested again: its container may have ended
without that being known yet, or its node may be out of reach."""


class Piece:
    """Lines of one container, collected from a place on up to a maximum size."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lines: list[str] = []
        self._size = 0

    def take(self, raw: bytes) -> bool:
        """Add a line; return False if it did not fit and was not taken."""
        place, lines = self.place.read(raw)
        size = sum(len(line.encode()) + 1 for line in lines)
        if self._lines and self._size + size > PIECE:
            return False
        self.place = place
        self._lines += lines
        self._size += size
        return True

    def made(self) -> LogPiece | None:
        """Return the collected lines, or None if there are none."""
        if not self._lines:
            return None
        text = "".join(f"{line}\n" for line in self._lines)
        return LogPiece(PHASES[self.place.container], text, str(self.place))


def read(cluster: Cluster, build_id: int, place: Place) -> Piece:
    """Return what a container has written so far after a place. Raises `TemporaryError`."""
    piece = Piece(place)
    lines = cluster.log(build_name(build_id), place.container, since=place.since)
    for raw in lines:
        if not piece.take(raw):
            break
    return piece


class Follower:
    """A thread that follows one container's log from a place on until it ends."""

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
        """Return whether the log has ended and all of its lines were taken."""
        return self._over.is_set() and not self._lines

    def leave(self) -> None:
        """Stop following; nobody takes its lines any more."""
        self._left.set()
        self._room.release()

    def piece(self) -> Piece:
        """Return what has arrived since, without waiting for more."""
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
