"""Lines of a build's log, as the pages show them before any script runs."""

from __future__ import annotations

import re
from itertools import islice

from sessions.models import LogChunk

CHUNKS = 200
TAIL = 300
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f]"
)
_MATTERS = re.compile(
    r"error|fail|fatal|exception|cannot|could not|denied|not found|no such|no matching"
    r"|killed|out of memory|no space|timed? ?out",
    re.IGNORECASE,
)


def last_lines(build_id: int, count: int) -> list[str]:
    """The last lines of a build's log, oldest first, without colours and cursor movements."""
    newest = LogChunk.objects.filter(build=build_id).order_by("-seq").values_list("text", flat=True)
    lines: list[str] = []
    for text in newest[:CHUNKS]:
        lines[:0] = [plain(line) for line in text.split("\n")]
        if len(lines) >= count:
            break
    return lines[-count:]


def lines_that_matter(build_id: int, count: int = 3) -> list[str]:
    """The last lines that speak of something wrong; the very last ones where none does."""
    lines = [line for line in last_lines(build_id, TAIL) if line.strip()]
    telling = list(islice((line for line in reversed(lines) if _MATTERS.search(line)), count))
    return telling[::-1] or lines[-count:]


def plain(line: str) -> str:
    """A line as it stands on a terminal in the end: only what followed the last return."""
    return _CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2])
