"""Expand variables and quotes in a Dockerfile's words, as its reference describes them.

Only forms that every reader of Dockerfiles understands in the same way are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS: Final = re.compile(r":?[-+?]")
_MAX_DEPTH: Final = 20


def expand(text: str, values: Mapping[str, str], escape: str = "\\") -> str:
    """Return the expanded word; a variable without a value expands to nothing.

    Raises `ValueError` if the result is ambiguous.
    """
    return _Word(text, values, escape).read("")


class _Word:
    """A word that is read from the left; ``_at`` is the position."""

    def __init__(self, text: str, values: Mapping[str, str], escape: str) -> None:
        self._text = text
        self._values = values
        self._escape = escape
        self._at = 0
        self._depth = 0

    def read(self, end: str) -> str:
        """Read up to the character ``end`` and consume it; "" is the word's end."""
        found = []
        self._depth += 1
        while (character := self._next()) != end:
            if not character or self._depth > _MAX_DEPTH:
                raise ValueError(f"{self._text!r} lacks a closing {end}")
            found.append(self._piece(character, end))
        self._depth -= 1
        return "".join(found)

    def _piece(self, character: str, end: str) -> str:
        if character == "$":
            return self._variable()
        if character == self._escape:
            following = self._next()
            kept = end == '"' and following not in {'"', "$", self._escape}
            return (character if kept else "") + following
        if character == "'" and end != '"':
            return self._literal()
        if character == '"' and end != '"':
            return self.read('"')
        return character

    def _literal(self) -> str:
        start = self._at
        self._at = self._text.find("'", start) + 1
        if not self._at:
            raise ValueError(f"{self._text!r} lacks a closing '")
        return self._text[start : self._at - 1]

    def _variable(self) -> str:
        if self._peek() != "{":
            return self._values.get(self._name(), "")
        self._next()
        name = self._name()
        value = self._values.get(name)
        if self._peek() == "}":
            self._next()
            return value or ""
        kind = _OPERATORS.match(self._text, self._at)
        if not kind:
            raise ValueError(f"{self._text!r} uses a variable in a form that is not supported")
        self._at = kind.end()
        other = self.read("}")
        given = bool(value) if kind[0][0] == ":" else value is not None
        if kind[0][-1] == "?" and not given:
            raise ValueError(f"{name} has no value: {other}")
        return (other if given else "") if kind[0][-1] == "+" else (value or "") if given else other

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        if not found:
            raise ValueError(f"{self._text!r} has a $ without a variable name")
        self._at = found.end()
        return found[0]

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        self._at += len(character)
        return character
