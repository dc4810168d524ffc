"""Write a keeper's log: clean lines in UTF-8, and markers where a phase begins.

`sessions.repofiles.lines` makes whole lines of what programs write. A marker starts with the record
separator, which it never lets through: nothing that a sandbox writes can pass for one.

Only whole lines are read, so a reader never sees half a line at a position that it was given; a
build that is started again appends. Data that the disk does not accept waits in memory: the writer
is neither blocked nor ended by it.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from sessions.repofiles.lines import LineSplitter

from .files import RETRYABLE_ERRNOS

FILE = "log"
MAX_LINE_LENGTH = 4000
PHASE_MARK = "\x1e"
_RECENT = 200
_MAX_PENDING_BYTES = 1_000_000
"""Bytes that may wait for disk space; anything beyond is lost, and the log says so."""


class Log:
    """The log in ``folder``, at most ``limit`` bytes; says so when it cuts.

    ``recent`` holds the last lines, including those that were cut.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._file).st_size
        self._remaining = limit - size
        self._lines = LineSplitter(MAX_LINE_LENGTH)
        self._pending = b""
        self._has_gap = False
        if size and _last_byte(folder / FILE, size) != b"\n":  # a power cut lost the rest
            self._write(b"\n")
        self.recent: deque[str] = deque(maxlen=_RECENT)

    def phase(self, name: str) -> None:
        """Start a phase; everything that follows belongs to it."""
        self.end_line()
        self._write(f"{PHASE_MARK}{name}\n".encode())

    def write_line(self, text: str) -> None:
        """Write a line of the keeper's own, even if the limit is reached."""
        self.end_line()
        self._write(f"{text}\n".encode())

    def write_limited_line(self, text: str) -> None:
        """Write a line of the keeper's own that a program in the sandbox can trigger at will."""
        self._append([text])

    def write_output(self, piece: bytes) -> None:
        """Write output of a program in the sandbox."""
        self._append(self._lines.feed(piece))

    def end_line(self) -> None:
        """End an unfinished line, because the program is over."""
        self._append(self._lines.end())

    def flush(self) -> bool:
        """Write what waits; False while the disk does not accept all of it."""
        try:
            while self._pending:
                self._pending = self._pending[os.write(self._file, self._pending) :]
        except OSError as error:
            if error.errno not in RETRYABLE_ERRNOS:
                raise
            return False
        self._has_gap = False
        return True

    def _append(self, lines: list[str]) -> None:
        self.recent.extend(lines)
        if not lines or self._remaining <= 0:
            return
        text = "".join(f"{line}\n" for line in lines).encode()
        if len(text) > self._remaining:
            text = text[: text.rfind(b"\n", 0, self._remaining) + 1]
            text += "… the log is too long: what follows was cut …\n".encode()
            self._remaining = 0
        self._write(text)
        self._remaining -= len(text)

    def _write(self, text: bytes) -> None:
        if len(self._pending) < _MAX_PENDING_BYTES:
            self._pending += text
        elif not self._has_gap:
            self._has_gap = True
            self._pending += "… lines are missing here: the disk was full …\n".encode()
        self.flush()


def _last_byte(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read(1)
