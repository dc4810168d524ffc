"""Write a container's result for the portal: one small JSON object, or why there is none.

Kubernetes keeps 4,096 bytes of it with the pod's status.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FILE = Path("/dev/termination-log")
MAX_BYTES = 4000


class BuildFailed(Exception):
    """The build is over for a reason that has a code and a sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def write(result: Mapping[str, str], file: Path = FILE) -> None:
    """Write the result, shortened as in `bounded_json`."""
    file.write_bytes(bounded_json(result))


def bounded_json(result: Mapping[str, str]) -> bytes:
    """Return the result as JSON of at most 4,000 bytes; the longest texts are cut if necessary."""
    fitted = dict(result)
    while len(raw := json.dumps(fitted, ensure_ascii=False).encode("utf-8", "replace")) > MAX_BYTES:
        longest = max(fitted, key=lambda name: len(fitted[name]))
        fitted[longest] = fitted[longest][: len(fitted[longest]) * 3 // 4] + "…"
    return raw
