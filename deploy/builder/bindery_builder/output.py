"""Write the log of a container: each line has its number, so that a reader notices gaps.

When a connection breaks, the portal reads on from where it was, so the numbers are consecutive, and
a line is written as soon as it is complete.
"""

from __future__ import annotations

from collections import deque
from typing import BinaryIO

from sessions.repofiles.lines import LineSplitter, clean

MAX_LINE_LENGTH = 2000
_LAST = 30
_TRUNCATED = "… the log is too long: what follows was cut …"


class Output:
    """A log of numbered lines, at most ``limit`` bytes and then one line that says so.

    ``count`` is how many were written, and ``last`` holds the last lines, including those that
    were cut.
    """

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._remaining = limit
        self.count = 0
        self._lines = LineSplitter(MAX_LINE_LENGTH)
        self.last: deque[str] = deque(maxlen=_LAST)

    def write_heading(self, text: str) -> None:
        """Write the heading of a section."""
        self.write_line(f"── {text}")

    def write_line(self, text: str) -> None:
        """Write a line of ours; text that it quotes may be untrusted."""
        self.end_line()
        line = text.replace("\n", " ").encode("utf-8", "replace")
        self._write([clean(line, MAX_LINE_LENGTH)])

    def feed(self, piece: bytes) -> list[str]:
        """Write output of a program; return the lines that it completes."""
        lines = self._lines.feed(piece)
        self._write(lines)
        return lines

    def end_line(self) -> list[str]:
        """End an unfinished line, because the program is over; return it."""
        lines = self._lines.end()
        self._write(lines)
        return lines

    def _write(self, lines: list[str]) -> None:
        self.last.extend(lines)
        for line in lines:
            if self._remaining > 0:
                self._put(line)
        self._stream.flush()

    def _put(self, line: str) -> None:
        text = f"{self.count + 1} {line}\n".encode()
        if len(text) > self._remaining:
            text = f"{self.count + 1} {_TRUNCATED}\n".encode()
            self._remaining = 0
        self.count += 1
        self._remaining -= len(text)
        self._stream.write(text)
