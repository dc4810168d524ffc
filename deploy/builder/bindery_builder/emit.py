"""Write a Dockerfile's instructions for buildah: one per line, without comments."""

from __future__ import annotations

import json
import re
from typing import Final

from .plainparser import Instruction, Unreadable

MAX_LINE_LENGTH: Final = 30_000
"""Characters per line: at a line of 64 KB or more, buildah's parser silently stops reading."""
_FOLD = re.compile(r"[A-Za-z0-9_.](?=[A-Za-z0-9_.])")
_AMBIGUOUS: Final = frozenset(" \t\"'\\")


def escape_directive(escape: str) -> str:
    """Return the line that sets the escape character."""
    return f"# escape={escape}"


def instruction_text(found: Instruction, flags: tuple[str, ...], escape: str) -> str:
    """Return the instruction as it was, or with these flags in place of its own.

    Raises `Unreadable` if a flag has quotes or blanks in it, or if the line is too long to fold.
    """
    text = found.original if flags == found.flags else _with_flags(found, flags)
    folded = _fold(text.strip(), found.line, escape)
    return f"{folded}\n{found.body}".rstrip("\n") if found.body else folded


def _with_flags(found: Instruction, flags: tuple[str, ...]) -> str:
    if any(set(flag) & _AMBIGUOUS for flag in flags):
        raise Unreadable(found.line, "it has an option with quotes or spaces")
    values = json.dumps(found.values) if found.is_json else " ".join(found.values)
    return " ".join([found.keyword, *flags, values])


def _fold(text: str, number: int, escape: str) -> str:
    """Fold a line that would be too long."""
    shown = []
    while len(text.encode()) > MAX_LINE_LENGTH:
        places = [match.end() for match in _FOLD.finditer(text, 0, MAX_LINE_LENGTH // 4)]
        if not places:
            raise Unreadable(number, "the line is too long")
        shown.append(text[: places[-1]] + escape)
        text = text[places[-1] :]
    return "\n".join([*shown, text])
