"""Write a keeper's log: clean lines in UTF-8, and markers where a phase begins.

From what a program writes to lines that a person reads, as a pure function of the bytes.

The sandbox's programs write progress bars, colours, broken UTF-8, lines without end: what comes
out are whole lines of bounded length, and nothing in them is a control character.

A keeper's log file: clean lines in UTF-8, and a marker line wherever a phase begins.

A marker starts with the record separator, which `lines` never lets through: nothing that a
sandbox writes can pass for one. Only whole lines are read, so a reader at any byte position that
it was given sees no half of one; a build that is started again goes on below. What a disk does
not take waits in memory: whoever writes is neither held up nor ended by it.
"""

from __future__ import annotations

import os
import re
from collections import deque
from pathlib import Path

from .disks import NOT_NOW

LONGEST = 4000
CUT_MARK = " … (line cut)"

# Four bytes a character, and room for the colours that are taken out.
_KEPT = 5 * LONGEST
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class Lines:
    """Takes bytes as they come, gives the lines that are complete."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[str]:
        """The lines that end in this piece."""
        *whole, rest = (self._rest + piece).split(b"\n")
        self._rest = _shown(rest)[: _KEPT + 1] if len(rest) > _KEPT else rest
        return [clean(line) for line in whole]

    def end(self) -> list[str]:
        """The last line, where it lacks its end."""
        rest, self._rest = self._rest, b""
        return [clean(rest)] if rest else []


def clean(line: bytes) -> str:
    """One line as it is to be read: the last state of a progress bar, no colours, not too long."""
    shown = _shown(line)
    text = _ESCAPES.sub("", shown[:_KEPT].decode("utf-8", "replace"))
    text = _CONTROLS.sub("", text)
    if len(text) > LONGEST or len(shown) > _KEPT:
        return text[:LONGEST] + CUT_MARK
    return text


def _shown(line: bytes) -> bytes:
    """What stands on the screen when each carriage return starts the line anew."""
    states = [state for state in line.split(b"\r") if state]
    return states[-1] if states else b""


FILE = "log"
MARK = "\x1e"
_LAST = 10
_HELD = 1_000_000
"""Bytes that wait for room; what comes on top of them is lost, and that is said."""


class Log:
    """Appends to the log in ``folder``, at most ``limit`` bytes, and says so when it cuts.

    ``last`` holds the last lines, also those that were cut.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._file).st_size
        self._left = limit - size
        self._lines = Lines()
        self._waiting = b""
        self._has_gap = False
        if size and _last_byte(folder / FILE, size) != b"\n":  # a power cut has taken the rest
            self._write(b"\n")
        self.last: deque[str] = deque(maxlen=_LAST)

    def phase(self, name: str) -> None:
        """What follows belongs to this phase."""
        self.end_line()
        self._write(f"{MARK}{name}\n".encode())

    def say(self, text: str) -> None:
        """A line of the keeper's own; written even where the limit is reached."""
        self.end_line()
        self._write(f"{text}\n".encode())

    def note(self, text: str) -> None:
        """A line of the keeper's own that a program in the sandbox can bring about at will."""
        self._append([text])

    def output(self, piece: bytes) -> None:
        """Something that a program in the sandbox has written."""
        self._append(self._lines.feed(piece))

    def end_line(self) -> None:
        """The program is over: an unfinished line ends here."""
        self._append(self._lines.end())

    def flush(self) -> bool:
        """Write what waits; False while the disk does not take all of it."""
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._file, self._waiting) :]
        except OSError as error:
            if error.errno not in NOT_NOW:
                raise
            return False
        self._has_gap = False
        return True

    def _append(self, lines: list[str]) -> None:
        self.last.extend(lines)
        if not lines or self._left <= 0:
            return
        text = "".join(f"{line}\n" for line in lines).encode()
        if len(text) > self._left:
            text = text[: text.rfind(b"\n", 0, self._left) + 1]
            text += "… the log is too long: what follows was cut …\n".encode()
            self._left = 0
        self._write(text)
        self._left -= len(text)

    def _write(self, text: bytes) -> None:
        if len(self._waiting) < _HELD:
            self._waiting += text
        elif not self._has_gap:
            self._has_gap = True
            self._waiting += "… lines are missing here: the disk was full …\n".encode()
        self.flush()


def _last_byte(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read(1)
