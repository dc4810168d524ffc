"""Format log lines for people or as JSON, for every process of the portal.

`configuration` makes `settings.LOGGING`. Libraries use `logging` as we do, so one formatter serves
all. `prefixed` and `as_object` are how `manage.py up` relays the output of its processes in the
same format.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .context import REFERENCE, said
from .redaction import masking, one_line, visible

FORMS = frozenset({"line", "json"})
LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
FIGURES = ("method", "route", "status", "milliseconds")
"""Attributes that a record may carry through ``extra``; Django's records carry whole requests."""
TALKATIVE = ("uvicorn.error", "websockets", "kubernetes.client.rest", "django.db.backends")
"""Loggers that write whole messages at level DEBUG, with what people type and with secrets."""

Event = MutableMapping[str, Any]


def configuration(form: str, level: str, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Return Django's ``LOGGING`` for any process of the portal."""
    quiet = level if level != "DEBUG" else "INFO"
    ours: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "ours": {"()": "portal.lib.logs.formats.Lines", "form": form, "secrets": [*secrets]}
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "ours"}},
        "loggers": {
            **{name: {"level": quiet} for name in TALKATIVE},
            "uvicorn": ours,  # it comes with handlers of its own
            "uvicorn.access": {**ours, "level": "WARNING"},  # its lines lack the reference
            "portal.lib.logs.requests": {"level": "INFO"},  # PORTAL_LOG_REQUESTS turns it on
            "django-q": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
        },
        "root": {"handlers": ["console"], "level": level},
    }


class Lines(logging.Formatter):
    """The formatter: writes any record in the chosen form, with secrets masked."""

    def __init__(self, form: str, secrets: Iterable[str]) -> None:
        super().__init__()
        self._is_json = form == "json"
        self._mask = masking(secrets)
        self._part = part(sys.argv)

    def format(self, record: logging.LogRecord) -> str:
        head = {"time": _time(record), "level": record.levelname, "logger": record.name}
        event = {name: self._cleared(value) for name, value in self._event(record).items()}
        return (
            as_json(head | {"part": self._part}, event) if self._is_json else _as_line(head, event)
        )

    def _event(self, record: logging.LogRecord) -> Event:
        """Return the message, then the reference, the other fields and the figures."""
        figures = {name: getattr(record, name) for name in FIGURES if hasattr(record, name)}
        about = sorted(said().items(), key=lambda each: each[0] != REFERENCE)
        event = {"event": record.getMessage(), **dict(about), **figures}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return event

    def _cleared(self, value: Any) -> Any:
        """Mask secrets in a text, and escape invisible characters."""
        return visible(self._mask(value)) if isinstance(value, str) else value


def part(arguments: Sequence[str]) -> str:
    """Return the name of this process: ``web``, ``worker``, ``watch``, or the command."""
    if not arguments or not arguments[0].endswith("manage.py"):
        return "web"
    command = arguments[1] if len(arguments) > 1 else "manage"
    return {"qcluster": "worker"}.get(command, command)


def as_json(head: dict[str, str], event: Event) -> str:
    """Return one JSON object on one line; ``event`` holds the message and the other fields."""
    text = {"message": event.pop("event")}
    return json.dumps({**head, **text, **event}, ensure_ascii=False, default=str)


def _as_line(head: dict[str, str], event: Event) -> str:
    text, trace = one_line(event.pop("event")), event.pop("exception", "")
    about = one_line("".join(f" {name}={value}" for name, value in event.items()))
    line = (
        "{time} {level} {logger}: ".format_map(head) + text + (f" [{about[1:]}]" if about else "")
    )
    return f"{line}\n{trace}" if trace else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


LOGGER = "portal.run.supervisor"


def prefixed(part: str, text: str) -> str:
    """Return a line for people: which process wrote it, then its text."""
    return f"{part:>6} | {visible(text)}"


def as_object(part: str, text: str) -> str:
    """Return a line for programs: a JSON object as it is, any other text as the message of one.

    Other text is, for instance, an interpreter's last words.
    """
    if text.startswith("{") and text.endswith("}"):
        return text
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    level = logging.getLevelName(logging.WARNING)
    head = {"time": time, "level": level, "logger": LOGGER, "part": part}
    return as_json(head, {"event": visible(text)})
