"""How `manage.py up` hands on what its parts say, in the form that the log has."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from portal.logs.lines import as_json
from portal.logs.visible import visible

LOGGER = "portal.supervisor"


def prefixed(part: str, text: str) -> str:
    """For people: whose line it is, and the line."""
    return f"{part:>6} | {visible(text)}"


def as_object(part: str, text: str) -> str:
    """For programs: an object as it is; any other line, such as an interpreter's last words,
    becomes the message of one."""
    if text.startswith("{") and text.endswith("}"):
        return text
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    level = logging.getLevelName(logging.WARNING)
    head = {"time": time, "level": level, "logger": LOGGER, "part": part}
    return as_json(head, {"event": visible(text)})
