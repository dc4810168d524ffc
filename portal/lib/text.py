"""Make text from outside storable: file names, messages, answers of other programs.

Nobody vouches for such text. A database refuses NUL (PostgreSQL) and lone surrogates, which stand
for bytes that were no text; a column has a maximum length. A row that cannot be written for one of
these would be tried again for ever. So everything from outside passes `storable` before it is
stored, and `readable` if people are shown it.
"""

from __future__ import annotations

import re
from typing import Any

from django.db.models import Model

from portal.lib.logs.formats import EMOJI, escape_invisible

_REFUSED = re.compile("[\0\ud800-\udfff]")
MAX_MESSAGE = 20_000
"""Longest message that is kept, in characters."""


def storable(text: object, limit: int | None = None) -> str:
    """Return the text with U+FFFD for what a database refuses, at most ``limit`` characters.

    None becomes "", and anything else that is no text its representation.
    """
    plain = text if isinstance(text, str) else "" if text is None else repr(text)
    return _REFUSED.sub("\N{REPLACEMENT CHARACTER}", plain[:limit])


def readable(text: object, limit: int = MAX_MESSAGE) -> str:
    r"""Return the text with invisible characters as escapes such as ``\u202e``.

    Only a line feed ends a line.
    """
    plain = text if isinstance(text, str) else storable(text)
    return escape_invisible(plain[:limit], kept=EMOJI)


def storable_fields(model: type[Model], fields: dict[str, Any]) -> dict[str, Any]:
    """Return values for these fields of ``model``; texts are made to fit their columns."""
    return {
        name: storable(value, getattr(model._meta.get_field(name), "max_length", None))
        if isinstance(value, str)
        else value
        for name, value in fields.items()
    }
