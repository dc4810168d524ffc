"""The log as a process writes it, captured while a test runs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from portal.lib.logs import formats


class Written(io.StringIO):
    """Captured log text; ``objects`` are its lines in the form for programs."""

    def objects(self, logger: str = "") -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.getvalue().splitlines()]
        return [each for each in found if each["logger"].startswith(logger)]


@contextmanager
def written(form: str = "json", level: int = logging.DEBUG) -> Iterator[Written]:
    """Capture everything that is logged in the block, by any logger, in this form."""
    output = Written()
    handler = logging.StreamHandler(output)
    handler.setFormatter(formats.LogFormatter(form, []))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield output
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
