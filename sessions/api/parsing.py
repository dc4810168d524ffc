"""Bound the JSON that the API accepts: its depth, its numbers and its text.

Anything that could not be stored and returned is refused as a body that cannot be parsed, with 400.
Python's parser recurses for each ``[``; numbers of thousands of digits, lone surrogates and
infinities all fail somewhere on their way to a column or an answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import IO, Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

MAX_DEPTH = 20
MAX_NUMBER = 10**300
"""Largest number, close to the largest float. Columns have their own, smaller limits."""


class BoundedJSONParser(JSONParser):
    """A parser of bounded JSON, in UTF-8 whatever the header says (RFC 8259, section 8.1)."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        context = {**(parser_context or {}), "encoding": "utf-8"}
        try:
            found = super().parse(stream, media_type, context)
        except RecursionError:
            raise _too_deep() from None
        _require_bounded(found)
        return found


def _require_bounded(found: Any) -> None:
    """Check level by level, so that this does not recurse either."""
    level: list[Any] = [found]
    for _depth in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise _too_deep()


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        _require_text(value)
    elif isinstance(value, int | float) and not _fits(value):
        raise ParseError(_("It contains a number that is too large."))
    return ()


def _fits(number: float) -> bool:
    is_finite = isinstance(number, int) or math.isfinite(number)
    return is_finite and -MAX_NUMBER < number < MAX_NUMBER


def _require_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ParseError(
            _("It contains text that is not valid Unicode: an unpaired surrogate.")
        ) from None


def _too_deep() -> ParseError:
    return ParseError(_("It is nested more than %(depth)d levels deep.") % {"depth": MAX_DEPTH})
