"""What a Dockerfile says, as far as a build has to know it: its images and its stages.

Pure functions of the text. The grammar is that of the Dockerfile reference: directives,
comments between continued lines, words in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S+)\s*$")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REFERENCE = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?"  # host
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?\Z"
)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::([-+])([^}]*))?\}|([A-Za-z_]\w*))")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)(?:=(\"[^\"]*\"|'[^']*'|\S*))?")


@dataclass(frozen=True)
class Instruction:
    """``word`` in capitals, ``text`` without line ends; ``last`` is the index of its last line."""

    word: str
    text: str
    last: int


def instructions(text: str) -> list[Instruction]:
    """The instructions in their order."""
    lines = text.splitlines()
    escape = _escape(lines)
    found, parts = [], []
    for index, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        stripped = line.rstrip()
        parts.append(stripped.removesuffix(escape))
        if not stripped.endswith(escape) or index == len(lines) - 1:
            word, _, rest = " ".join(parts).strip().partition(" ")
            found.append(Instruction(word.upper(), " ".join(rest.split()), index))
            parts = []
    return found


def _escape(lines: list[str]) -> str:
    """The character that continues a line; a directive at the very top may change it."""
    for line in lines:
        directive = _DIRECTIVE.match(line.strip())
        if not directive:
            break
        if directive[1].lower() == "escape" and directive[2] in "\\`":
            return directive[2]
    return "\\"


def images(text: str) -> list[str]:
    """The images that have to be there before the first step, each once.

    A name whose variables have no value comes out as it is then, perhaps empty.
    """
    found: dict[str, None] = {}
    values: dict[str, str] = {}
    stages: set[str] = set()
    for instruction in instructions(text):
        if instruction.word == "ARG" and not stages:
            values.update(_assigned(instruction.text, values))
        elif instruction.word == "FROM":
            name, alias = _from(instruction.text, values)
            if name != "scratch" and name.lower() not in stages:
                found[name] = None
            stages.add(alias.lower() or f"#{len(stages)}")
        else:
            found.update(dict.fromkeys(_others(instruction, stages)))
    return list(found)


def arguments(text: str) -> set[str]:
    """The names of the arguments that the Dockerfile declares."""
    declared = [each.text for each in instructions(text) if each.word == "ARG"]
    return {name for line in declared for name, _ in _ASSIGNED.findall(line)}


def _assigned(text: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in _ASSIGNED.findall(text):
        yield name, value[1:-1] if value[:1] == "'" else _expanded(value.strip('"'), values)


def _from(text: str, values: Mapping[str, str]) -> tuple[str, str]:
    """The image that a FROM names, and what its stage is called."""
    words = [word for word in text.split() if not word.startswith("--")]
    named = len(words) > 2 and words[1].lower() == "as"
    return _expanded(words[0], values) if words else "", words[2] if named else ""


def _others(instruction: Instruction, stages: set[str]) -> Iterator[str]:
    """Images that files are copied or mounted from."""
    for word in instruction.text.split():
        if not word.startswith("--"):
            return
        options = word.removeprefix("--mount=").removeprefix("--").split(",")
        for option in options:
            name, _, value = option.partition("=")
            if name == "from" and value.lower() not in stages and not value.isdigit():
                yield value


def _expanded(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        known = values.get(match[1] or match[4], "")
        if match[2] == "+":
            return match[3] if known else ""
        return known or (match[3] or "")

    return _VARIABLE.sub(value, text.strip("\"'"))


def is_reference(name: str) -> bool:
    """Whether this is the name of an image in a registry, and no path or other transport."""
    return bool(_REFERENCE.match(name))


def with_arguments(text: str, values: Mapping[str, str]) -> str:
    """The same Dockerfile, where every step of every stage has these variables.

    They are arguments of the build: steps see them, the image does not keep them.
    """
    given = [_argument(name, value) for name, value in values.items()]
    lines = text.splitlines()
    after = {each.last for each in instructions(text) if each.word == "FROM"}
    shown = []
    for index, line in enumerate(lines):
        shown += [line, *given] if index in after else [line]
    return "\n".join(shown) + "\n"


def _argument(name: str, value: str) -> str:
    if not _NAME.match(name) or not value.isprintable() or "'" in value:
        raise ValueError(f"The variable {name} cannot be given to the steps of a build.")
    return f"ARG {name}='{value}'"
