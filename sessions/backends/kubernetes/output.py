"""Read the output of builds from any position.

A `LogCursor` says where a reader is: which container, which line of it, and when that line came.
The builder numbers its lines, so that repeated and missing lines are noticed; the time lets the
cluster start near the place.

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
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext as _

from sessions.backends import LogLines
from sessions.errors import BinderyError, TemporaryError

from .buildpod import PHASES, STAGES
from .cluster import Cluster, Manifest
from .labels import build_name
from .podstatus import container_statuses, parse_time, termination_messages
from .serverpod import CONTAINER as NOTEBOOK

_FRACTION = re.compile(r"\.\d+")
"""Fraction of a second. The time zone after it stays, because some nodes use their own."""
_TIME = re.compile(r"[0-9-]{10}T[0-9:]{8}\S{1,20}")
_NUMBER = re.compile(r"[0-9]{1,9}")
"""A line number. A build that has taken over its container may send any number, even a huge one."""


@dataclass(frozen=True)
class LogCursor:
    """A position.

    After line ``number`` of ``STAGES[stage]``'s container, which came at ``timestamp``.
    """

    stage: int = 0
    number: int = 0
    timestamp: str = ""

    @classmethod
    def parse(cls, position: str) -> LogCursor:
        """Return the place that a `LogLines.position` stands for; "" is the beginning."""
        stage, number, at = (position or "0 0 ").split(" ")
        return cls(int(stage), int(number), at)

    def __str__(self) -> str:
        return f"{self.stage} {self.number} {self.timestamp}"

    @property
    def container(self) -> str:
        """Return the name of the container that the position is in."""
        return STAGES[self.stage]

    @property
    def since(self) -> str:
        """Return the second from which to read again."""
        return _FRACTION.sub("", self.timestamp)

    @property
    def is_last_stage(self) -> bool:
        """Return whether no other container comes after this one."""
        return self.stage + 1 == len(STAGES)

    def next_stage(self) -> LogCursor:
        """Return the beginning of the next container's output."""
        return LogCursor(self.stage + 1)

    def read_line(self, raw: bytes) -> tuple[LogCursor, list[str]]:
        """Return the place after a raw line of the cluster's log, and its new text.

        No text if it was read before, or is only a node's notice that it has none; an extra line if
        lines in between are missing.
        """
        words = raw.decode("utf-8", "replace").replace("\0", "").rstrip("\r\n")
        at, _blank, line = words.partition(" ")
        if not _TIME.fullmatch(at):
            return self, []
        number, blank, text = line.partition(" ")
        if not (blank and _NUMBER.fullmatch(number)):  # the container's own messages
            return (replace(self, timestamp=at), [line]) if at > self.timestamp else (self, [])
        if int(number) <= self.number:
            return self, []
        gap = _gap(int(number) - self.number - 1)
        return replace(self, number=int(number), timestamp=max(at, self.timestamp)), [*gap, text]


def _gap(missing: int) -> list[str]:
    """Return what stands in the log for lines that the cluster does not have."""
    if missing > 1:
        return [f"… {missing} lines are missing here …"]
    return ["… a line is missing here …"] if missing == 1 else []


@dataclass(frozen=True)
class Finished:
    """A container that has ended: when, and how many lines it wrote, 0 if it does not say so."""

    at: datetime
    lines: int


def finished_stages(pod: Manifest) -> dict[str, Finished]:
    """Return the containers that have ended, by name."""
    said = dict(termination_messages(pod))
    return {
        name: Finished(_finished_at(status), _line_count(said.get(name, {}).get("lines", "")))
        for name, status in container_statuses(pod)
        if "terminated" in status.get("state", {})
    }


def _finished_at(status: Manifest) -> datetime:
    """Return when a container ended; a node that has lost it does not know."""
    text = status["state"]["terminated"].get("finishedAt")
    return parse_time(text) if text else datetime.min.replace(tzinfo=UTC)


def _line_count(text: str) -> int:
    return int(text) if _NUMBER.fullmatch(text) else 0


def started_stages(pod: Manifest) -> list[str]:
    """Return the containers that may have output, in order."""
    begun = {
        name
        for name, status in container_statuses(pod)
        if status.get("state", {}).keys() - {"waiting"}
    }
    return [stage for stage in STAGES if stage in begun]


MAX_LINES_BYTES = 15_000
MAX_BUFFERED_LINES = 2_000
"""Lines that a follower buffers before it waits for its reader."""
RETRY_SECONDS = 0.5
"""Seconds before a log whose stream has ended is requested again: the container may have ended
without the portal knowing it yet, or its node may be unreachable."""
LATE = timedelta(minutes=1)
"""How long after a container's end the cluster may not have all of its lines yet."""


class LogBuffer:
    """Lines of one container, collected from a place on up to a maximum size."""

    def __init__(self, cursor: LogCursor) -> None:
        self.cursor = cursor
        self._lines: list[str] = []
        self._size = 0

    def add(self, raw: bytes) -> bool:
        """Add a line; return False if it did not fit and was not taken."""
        place, lines = self.cursor.read_line(raw)
        size = sum(len(line.encode()) + 1 for line in lines)
        if self._lines and self._size + size > MAX_LINES_BYTES:
            return False
        self.cursor = place
        self._lines += lines
        self._size += size
        return True

    def to_log_lines(self) -> LogLines | None:
        """Return the collected lines, or None if there are none."""
        if not self._lines:
            return None
        text = "".join(f"{line}\n" for line in self._lines)
        return LogLines(PHASES[self.cursor.container], text, str(self.cursor))


def read_available(cluster: Cluster, build_id: int, cursor: LogCursor) -> LogBuffer:
    """Return what a container has written so far after a place. Raises `TemporaryError`."""
    buffer = LogBuffer(cursor)
    lines = cluster.log(build_name(build_id), cursor.container, since=cursor.since)
    for raw in lines:
        if not buffer.add(raw):
            break
    return buffer


def read_rest(
    cluster: Cluster, build_id: int, cursor: LogCursor, finished: Finished
) -> LogLines | None:
    """Return the next lines after a place in a container that has ended, or None at its end.

    A container runtime that is away when a container ends loses what that wrote meanwhile: the last
    line then says so. But while it is away, the cluster has no lines at all, so until `LATE` after
    the end, `TemporaryError` is raised instead.
    """
    if piece := read_available(cluster, build_id, cursor).to_log_lines():
        return piece
    gap = _gap(finished.lines - cursor.number)
    if not gap:
        return None
    if abs(datetime.now(UTC) - finished.at) < LATE:  # a node's clock may be far ahead
        message = _("The end of the build's log cannot be read yet.")
        raise TemporaryError("cluster.unreachable", message)
    position = str(replace(cursor, number=finished.lines))
    return LogLines(PHASES[cursor.container], f"{gap[0]}\n", position)


def last_lines(cluster: Cluster, pod: Manifest, count: int) -> str:
    """Return the last output of a notebook's container. Raises `TemporaryError`."""
    lines = cluster.log(pod["metadata"]["name"], NOTEBOOK, tail=count)
    return "\n".join(line.partition(b" ")[2].decode("utf-8", "replace") for line in lines)


class Follower:
    """A thread that follows one container's log from a place on until it ends."""

    def __init__(
        self, cluster: Cluster, build_id: int, cursor: LogCursor, wake: Callable[[int], None]
    ) -> None:
        self.cursor = cursor
        self._build_id = build_id
        self._wake = wake
        self._lines: deque[bytes] = deque()
        self._free_slots = threading.Semaphore(MAX_BUFFERED_LINES)
        self._stopped = threading.Event()
        self._ended = threading.Event()
        name, container = build_name(build_id), cursor.container
        self._source = cluster.log(name, container, since=cursor.since, follow=True)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def has_ended(self) -> bool:
        """Return whether the log has ended and all of its lines were taken."""
        return self._ended.is_set() and not self._lines

    def stop(self) -> None:
        """Stop following; nobody takes its lines any more."""
        self._stopped.set()
        self._free_slots.release()

    def take_lines(self) -> LogBuffer:
        """Return what has arrived since, without waiting for more."""
        buffer = LogBuffer(self.cursor)
        while self._lines and buffer.add(self._lines[0]):
            self._lines.popleft()
            self._free_slots.release()
        self.cursor = buffer.cursor
        return buffer

    def _follow(self) -> None:
        try:
            self._buffer_lines(self._source)
        except BinderyError:
            pass  # the next watch continues where this one got to
        finally:
            self._stopped.wait(RETRY_SECONDS)
            self._ended.set()
            self._wake(self._build_id)

    def _buffer_lines(self, source: Iterable[bytes]) -> None:
        for raw in source:
            self._free_slots.acquire()
            if self._stopped.is_set():
                return
            self._lines.append(raw)
            self._wake(self._build_id)
