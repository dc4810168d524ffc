"""Format log lines for people or as JSON, for every process of the portal.

`logging_config` makes `settings.LOGGING`. Libraries use `logging` as we do, so one formatter serves
all. `with_prefix` and `as_json_line` are how `manage.py up` relays the output of its processes in
the same format. Secrets and invisible characters are kept out of the log.

Invisible characters are written as escapes, so that a log says what it contains. A direction
override turns a line round, a carriage return or a terminal's escape sequence paints over it, and
other line separators split it in two. Names of files, branches and people may contain them, and so
may anything that strangers send.

Secrets are keys, tokens, tickets, cookies and passwords. Our own code logs none, but libraries and
tracebacks may: an error quotes an address with a password in it, or a header. So every text is
masked before it is written.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .context import REFERENCE, current_fields

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad"  # controls; tabs and line feeds are left
    "\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
)


EMOJI = "\u200d\ufe0e\ufe0f"
"""Characters that choose how an emoji is drawn: programs write many, and they hide nothing."""


def escape_invisible(text: str, kept: str = "") -> str:
    r"""Return the text with invisible characters escaped, such as ``\x1b`` or ``\u202e``.

    Tabs, line feeds and the characters in ``kept`` stay.
    """
    return _INVISIBLE.sub(lambda found: found[0] if found[0] in kept else _escaped(found), text)


def one_line(text: str) -> str:
    r"""Return the text on one line: like `escape_invisible`, with ``\n`` for each line feed."""
    return escape_invisible(text.rstrip("\n")).replace("\n", "\\n")


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


MASK = "…"
MIN_SECRET_LENGTH = 8
"""Least length of a secret to search for literally; a shorter one would be found in any text."""

_PRIVATE_KEY = re.compile(
    # To the end of the key, or to the end of the text if it is cut off.
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_SECRET_PATTERNS = (
    # The portal's tokens, and anything that a header calls a token.
    r"\bbdy_[\w-]+",
    r"(?i:(?<=\bbearer )|(?<=\btoken )|(?<=\bbasic ))[\w.~+/=-]{20,}",
    # Cookies, to the end of the line: a header may be quoted in any form.
    r"(?i:(?<=\bcookie)|(?<=\bauthorization))['\"]?\s*[:=,][^\r\n]+",
    # The query of an address: tickets, codes of sign-in, tokens of notebooks.
    r"(?<=[\w/])\?[\w.%-]+=[^\s\"'<>]*",
    r"(?<=://)[^\s/@\"'<>]+(?=@)",
    # Results of `secrets.token_urlsafe(32)`, and signatures. Project names have no capitals, and
    # key fingerprints are public.
    r"(?<![\w/-])(?<!SHA256:)(?=[\w-]*[A-Z])[\w-]{43}(?![\w-])",
)


def secret_masker(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """Return a function that replaces every secret in a text by “…”.

    It finds secrets by their shape, and those in ``secrets`` literally.
    """
    known = sorted(
        (re.escape(one) for one in secrets if len(one) >= MIN_SECRET_LENGTH), reverse=True
    )
    shapes = re.compile("|".join([*known, *_SECRET_PATTERNS]))
    # Keys first: their lines belong together, and another pattern would take the first one away.
    return lambda text: shapes.sub(MASK, _PRIVATE_KEY.sub(MASK, text))


FORMS = frozenset({"line", "json"})
LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
EXTRA_FIELDS = ("method", "route", "status", "milliseconds")
"""Attributes that a record may carry through ``extra``; Django's records carry whole requests."""
VERBOSE_LOGGERS = ("uvicorn.error", "websockets", "kubernetes.client.rest", "django.db.backends")
"""Loggers that write whole messages at level DEBUG, with what people type and with secrets."""

Event = MutableMapping[str, Any]


def logging_config(form: str, level: str, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Return Django's ``LOGGING`` for any process of the portal.

    ``form`` is one of `FORMS`, ``level`` one of `LEVELS`. Texts in ``secrets`` are masked in every
    line (`secret_masker`).
    """
    quiet = level if level != "DEBUG" else "INFO"
    ours: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "ours": {
                "()": "portal.lib.logs.formats.LogFormatter",
                "form": form,
                "secrets": [*secrets],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "ours"}},
        "loggers": {
            **{name: {"level": quiet} for name in VERBOSE_LOGGERS},
            "uvicorn": ours,  # it comes with handlers of its own
            "uvicorn.access": {**ours, "level": "WARNING"},  # its lines lack the reference
            "portal.lib.logs.requests": {"level": "INFO"},  # PORTAL_LOG_REQUESTS turns it on
            "django-q": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
        },
        "root": {"handlers": ["console"], "level": level},
    }


class LogFormatter(logging.Formatter):
    """The formatter: writes any record in the chosen form, with secrets masked."""

    def __init__(self, form: str, secrets: Iterable[str]) -> None:
        super().__init__()
        self._is_json = form == "json"
        self._mask = secret_masker(secrets)
        self._part = process_name(sys.argv)

    def format(self, record: logging.LogRecord) -> str:
        head = {"time": _time(record), "level": record.levelname, "logger": record.name}
        event = {name: self._redact(value) for name, value in self._event(record).items()}
        return (
            as_json(head | {"part": self._part}, event) if self._is_json else _as_line(head, event)
        )

    def _event(self, record: logging.LogRecord) -> Event:
        """Return the message, then the reference, the other fields and the figures."""
        figures = {name: getattr(record, name) for name in EXTRA_FIELDS if hasattr(record, name)}
        about = sorted(current_fields().items(), key=lambda each: each[0] != REFERENCE)
        event = {"event": record.getMessage(), **dict(about), **figures}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return event

    def _redact(self, value: Any) -> Any:
        """Mask secrets in a text, and escape invisible characters."""
        return escape_invisible(self._mask(value)) if isinstance(value, str) else value


def process_name(arguments: Sequence[str]) -> str:
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


def with_prefix(part: str, text: str) -> str:
    """Return a line for people: which process wrote it, then its text."""
    return f"{part:>6} | {escape_invisible(text)}"


def as_json_line(part: str, text: str) -> str:
    """Return a line for programs: a JSON object as it is, any other text as the message of one.

    Other text is, for instance, an interpreter's last words.
    """
    if text.startswith("{") and text.endswith("}"):
        return text
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    level = logging.getLevelName(logging.WARNING)
    head = {"time": time, "level": level, "logger": LOGGER, "part": part}
    return as_json(head, {"event": escape_invisible(text)})
