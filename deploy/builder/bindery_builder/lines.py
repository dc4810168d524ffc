"""From what a program writes to lines that a person reads, as a pure function of the bytes.

Programs write progress bars, colours, broken UTF-8, lines without end: what comes out are
whole lines of bounded length, and nothing in them is a control character. `output` numbers
them.
"""

from __future__ import annotations

import re

LONGEST = 2000
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
