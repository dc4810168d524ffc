"""Turn a program's output into readable lines. Pure functions of the bytes.

Programs write progress bars, colours, broken UTF-8 and endless lines: the result is whole lines of
bounded length without control characters. Keepers write them to their log, and in a build's pod
`bindery_builder.output` numbers them. Standard library only.
"""

from __future__ import annotations

import re

CUT_MARK = " … (line cut)"

_KEPT_BYTES = 5
"""Bytes kept per character: at most four of its own, and room for the colours that are removed."""
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class LineSplitter:
    """A splitter that takes bytes as they come and returns complete lines.

    Each has at most ``limit`` characters, and `CUT_MARK` if there were more.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, piece: bytes) -> list[str]:
        """Return the lines that end in this piece, cleaned as by `clean`."""
        *whole, rest = (self._rest + piece).split(b"\n")
        kept = _KEPT_BYTES * self._limit
        self._rest = _visible(rest)[: kept + 1] if len(rest) > kept else rest
        return [clean(line, self._limit) for line in whole]

    def end(self) -> list[str]:
        """Return the last line if it is unfinished, as a list of one or none."""
        rest, self._rest = self._rest, b""
        return [clean(rest, self._limit)] if rest else []


def clean(line: bytes, limit: int) -> str:
    """Return one line for reading: the last state of a progress bar, no colours, limited length."""
    visible, kept = _visible(line), _KEPT_BYTES * limit
    text = _ESCAPES.sub("", visible[:kept].decode("utf-8", "replace"))
    text = _CONTROLS.sub("", text)
    return text[:limit] + CUT_MARK if len(text) > limit or len(visible) > kept else text


def _visible(line: bytes) -> bytes:
    """Return what is on the screen when each carriage return restarts the line."""
    states = [state for state in line.split(b"\r") if state]
    return states[-1] if states else b""
