"""Read a Dockerfile line by line, where BuildKit's parser is not available.

It accepts what every reader understands in the same way, and refuses the rest: here-documents,
options in quotes, and lines whose end is ambiguous.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_HERE_DOCUMENT: Final = re.compile(r"(?:^|\s)[0-9]*<<-?[^<\s]")
_QUOTED = r"""(?:[^\s"'\\`]|"[^"\\`]*"|'[^'\\`]*')+"""
_ARGUMENT = re.compile(_QUOTED)
_ARGUMENTS = re.compile(rf"(?:{_QUOTED}(?:\s+{_QUOTED})*)?")
_WITH_FILES: Final = frozenset({"RUN", "COPY", "ADD"})
_WITH_LISTS: Final = _WITH_FILES | {"CMD", "ENTRYPOINT", "SHELL", "VOLUME"}


class Unreadable(ValueError):
    """The meaning of a line is ambiguous; the text says why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile.

    ``keyword`` in capitals, ``flags`` without their quotes; ``values`` are the words of FROM, ARG,
    COPY and ADD, and one text for the others. ``original`` is all of it in one line, except the
    ``body`` of here-documents, which has lines, and of which ``documents`` are the contents.
    ``triggers`` is the instruction in ONBUILD.
    """

    keyword: str
    flags: tuple[str, ...]
    values: tuple[str, ...]
    original: str
    line: int
    is_json: bool = False
    body: str = ""
    documents: tuple[str, ...] = ()
    triggers: Instruction | None = None

    @property
    def rest(self) -> str:
        """Return everything after the word."""
        parts = _BLANKS.split(self.original.strip(), maxsplit=1)
        return parts[1] if len(parts) > 1 else ""


def read(text: str, escape: str) -> list[Instruction]:
    """Return the instructions. Raises `Unreadable`."""
    whole = _join_continuations(text, escape)
    return [_instruction(line, number, escape) for number, line in whole if line.strip()]


def _join_continuations(text: str, escape: str) -> Iterator[tuple[int, str]]:
    """Yield each instruction as one line, with the number of its first line."""
    parts: list[str] = []
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.lstrip()
        if not bare or bare.startswith("#"):
            continue
        start = start if parts else number
        kept = (line if parts else bare).rstrip("\t ")
        if kept.endswith(escape * 2):
            raise Unreadable(number, f"it is unclear whether {escape * 2} continues the line")
        goes_on = kept.endswith(escape)
        parts.append(kept.removesuffix(escape) if goes_on else line if parts else bare)
        if not goes_on:
            yield start, "".join(parts)
            parts = []
    if parts:
        yield start, "".join(parts)


def _instruction(line: str, number: int, escape: str) -> Instruction:
    word, *rest = _BLANKS.split(line.strip(), maxsplit=1)
    word = word.upper()
    flags, text = _flags(rest[0].strip() if rest else "", number)
    if word in _WITH_FILES and _HERE_DOCUMENT.search(text):
        raise Unreadable(number, "it has a here-document, which this machine does not support")
    listed = _list(text, number) if word in _WITH_LISTS else None
    values = listed if listed is not None else _values(word, text, number)
    triggers = _instruction(text, number, escape) if word == "ONBUILD" else None
    return Instruction(word, flags, values, line, number, listed is not None, triggers=triggers)


def _flags(text: str, number: int) -> tuple[tuple[str, ...], str]:
    """Split the options in front from what follows them."""
    found = []
    while text.startswith("--"):
        flag, *rest = re.split(r"\s+", text, maxsplit=1)
        if flag == "--" or set(flag) & set("\"'\\`"):
            raise Unreadable(number, "it has an option with quotes or escapes in it")
        found.append(flag)
        text = rest[0] if rest else ""
    return tuple(found), text


def _list(text: str, number: int) -> tuple[str, ...] | None:
    """Return the texts of a JSON list; None if there is none."""
    if not text.startswith("["):
        return None
    try:
        found, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if text[end:].strip() or not all(isinstance(each, str) for each in found):
        raise Unreadable(
            number, "it has a list with text after it, or with items that are not strings"
        )
    return tuple(found)


def _values(word: str, text: str, number: int) -> tuple[str, ...]:
    if word in {"FROM", "COPY", "ADD"}:
        return tuple(_BLANKS.split(text)) if text else ()
    if word != "ARG":
        return (text,) if text else ()
    if not _ARGUMENTS.fullmatch(text):
        raise Unreadable(number, "its quotes or escapes are ambiguous")
    return tuple(_ARGUMENT.findall(text))
