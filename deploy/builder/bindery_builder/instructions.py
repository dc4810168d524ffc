"""Read the instructions of a Dockerfile, by BuildKit's own parser or by `plainparser`.

BuildKit's (the package ``dockerfile``) exists for x86_64 only. buildah has a third parser, which
differs from both in places, so `dockerfile` rewrites what is read here in a form that all of them
understand in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from . import plainparser
from .plainparser import Instruction, Unreadable

try:
    import dockerfile as buildkit
except ImportError:  # no wheel for this machine
    buildkit = None

KEYWORDS: Final = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
    "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})  # fmt: skip
MAX_TEXT_LENGTH: Final = 200_000
_DIRECTIVE = re.compile(r"\s*#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S.*?)\s*")
_FLAG = re.compile(r"--[a-z][a-z-]*(?:=[!-~]*)?")
_BREAKS = re.compile(r"[\0\r\n]")
_EMPTY: Final = "file with no instructions"
_SENTENCES: Final = {
    "unterminated heredoc": "the line that ends a here-document (<<) is missing, or it is too long"
}
"""BuildKit's messages in other words."""

Reader = Callable[[str, str], list[Instruction]]


@dataclass(frozen=True)
class ParsedText:
    """The instructions, the escape character, and the image of ``# syntax=``."""

    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    syntax: str = ""


def read(text: str, reader: Reader | None = None) -> ParsedText:
    """Return the parsed text. Raises `Unreadable` if it is ambiguous."""
    if len(text) > MAX_TEXT_LENGTH:
        raise Unreadable(0, f"it is longer than {MAX_TEXT_LENGTH:,} characters")
    if "\0" in text:
        raise Unreadable(0, "it is not text")
    lines = [line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n")]
    directives, rest = _directives(lines)
    escape = directives.get("escape", "\\")
    if escape not in {"\\", "`"}:
        raise Unreadable(1, "the directive “escape” accepts only \\ or `")
    found = (reader or default_reader())("\n".join(rest), escape)
    for each in found:
        _check_unambiguous(each, escape)
    return ParsedText(tuple(found), escape, directives.get("syntax", ""))


def default_reader() -> Reader:
    """Return the reader for this machine."""
    return _buildkit if buildkit else plainparser.read


def _directives(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the directives at the very top, and the lines with empty comments in their places."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        directive = _DIRECTIVE.fullmatch(line)
        name = directive[1].lower() if directive else ""
        if not directive or name not in {"syntax", "escape", "check"}:
            return found, ["#"] * number + lines[number:]
        if name in found:
            raise Unreadable(number + 1, f"the directive “{name}” appears twice")
        found[name] = directive[2]
    return found, []


def _buildkit(text: str, escape: str) -> list[Instruction]:
    """Parse with BuildKit, telling it the escape character: it may not know each directive."""
    head = f"# escape={escape}\n"
    try:
        commands = buildkit.parse_string(head + text)
    except ValueError as error:
        if _EMPTY in str(error):
            return []
        raise Unreadable(0, _SENTENCES.get(str(error), str(error))) from None
    # BuildKit returns a line with nothing but a continuation as an instruction without a word.
    return [_from_buildkit(each, escape) for each in commands if each.original]


def _from_buildkit(command: Any, escape: str) -> Instruction:
    original, _, body = command.original.partition("\n")
    found = Instruction(
        keyword=command.cmd.upper(),
        flags=command.flags,
        values=command.value,
        is_json=command.json,
        original=original,
        body=body,
        documents=tuple(each.content for each in command.heredocs),
        line=command.start_line - 1,
    )
    if found.keyword != "ONBUILD":
        return found
    triggered = _buildkit(found.rest, escape)
    if len(triggered) != 1 or body:
        raise Unreadable(found.line, "ONBUILD takes a single instruction on one line")
    return replace(found, triggers=triggered[0])


def _check_unambiguous(found: Instruction, escape: str) -> None:
    """Refuse what another reader could understand differently."""
    if found.keyword not in KEYWORDS:
        raise Unreadable(found.line, f"{found.keyword[:20]!r} is not an instruction")
    if wrong := next((flag for flag in found.flags if not _FLAG.fullmatch(flag)), ""):
        raise Unreadable(
            found.line, f"the option {wrong[:80]!r} has characters that options cannot have"
        )
    if _BREAKS.search(found.original) or found.original.rstrip("\t ").endswith(escape):
        raise Unreadable(found.line, f"it is unclear whether {escape} continues the line")
    if found.triggers:
        _check_unambiguous(found.triggers, escape)
