"""Turn a program's output into readable lines. Pure functions of the bytes.

Programs write progress bars, colours, broken UTF-8 and endless lines: the result is whole lines of
bounded length without control characters. `output` numbers them.
"""

from __future__ import annotations

import re

MAX_LINE_LENGTH = 2000
CUT_MARK = " … (line cut)"

# Four bytes a character, and room for the colours that are removed.
_MAX_KEPT_BYTES = 5 * MAX_LINE_LENGTH
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class LineSplitter:
    """A splitter that takes bytes as they come and returns complete lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[str]:
        """Return the lines that end in this piece."""
        *whole, rest = (self._rest + piece).split(b"\n")
        self._rest = _visible(rest)[: _MAX_KEPT_BYTES + 1] if len(rest) > _MAX_KEPT_BYTES else rest
        return [clean(line) for line in whole]

    def end(self) -> list[str]:
        """Return the last line if it is unfinished."""
        rest, self._rest = self._rest, b""
        return [clean(rest)] if rest else []


def clean(line: bytes) -> str:
    """Return one line for reading: the last state of a progress bar, no colours, limited length."""
    shown = _visible(line)
    text = _ESCAPES.sub("", shown[:_MAX_KEPT_BYTES].decode("utf-8", "replace"))
    text = _CONTROLS.sub("", text)
    if len(text) > MAX_LINE_LENGTH or len(shown) > _MAX_KEPT_BYTES:
        return text[:MAX_LINE_LENGTH] + CUT_MARK
    return text


def _visible(line: bytes) -> bytes:
    """Return what is on the screen when each carriage return restarts the line."""
    states = [state for state in line.split(b"\r") if state]
    return states[-1] if states else b""
