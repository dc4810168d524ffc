"""Rewrite here-documents for a buildah that takes their lines for instructions.

What RUN gets becomes a single word of its shell; the files of COPY and ADD go into a build context
of their own. The rules are those of BuildKit (`dispatchRun`, `dispatchCopy`). Pure functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from .plainparser import Instruction, Unreadable

CONTEXT: Final = "bindery-documents"
"""The name of the build context that has the files."""
_DOCUMENT: Final = re.compile(
    r"""[0-9]*<<(?P<chomp>-?)(?P<quote>["']?)(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)(?P=quote)"""
)
_MAX_BYTES: Final = 100_000
"""Bytes of a shell's script: the kernel allows 128 KiB for one argument of a program."""
_KEPT_FLAGS: Final = ("--chown", "--chmod")
_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "'": "\\0047"}
_AS_FILE: Final = (
    'file=$(mktemp) && {} >"$file" && chmod 755 "$file" && '
    '{{ "$file"; code=$?; rm -f "$file"; exit $code; }}'
)


@dataclass(frozen=True)
class Rewritten:
    """Instructions that replace one; ``files`` has contents by their path in `CONTEXT`.

    ``instruction`` is None if nothing but ``line``, which is complete, is left of it.
    """

    instruction: Instruction | None
    line: str = ""
    files: dict[str, str] = field(default_factory=dict)


def rewrite(found: Instruction, number: int) -> Rewritten:
    """Return what replaces an instruction with here-documents; ``number`` is its place in the file.

    Raises `Unreadable` if that would not mean the same.
    """
    if found.is_json or found.triggers:
        raise Unreadable(found.line, "it has a here-document in a list or in ONBUILD")
    if found.keyword == "RUN":
        return Rewritten(_run(found))
    return _copy(found, number)


def _run(found: Instruction) -> Instruction:
    command = " ".join(found.values)
    alone = _DOCUMENT.fullmatch(command)
    script = found.documents[0] if alone else f"{command}\n{found.body}"
    if alone and alone["chomp"]:
        script = _chomped(script)
    if len(script.encode()) > _MAX_BYTES:
        raise Unreadable(found.line, f"its here-document is longer than {_MAX_BYTES:,} bytes")
    printed = f"printf %b '{_escaped(script)}'"
    is_program = alone and script.startswith("#!")
    word = _AS_FILE.format(printed) if is_program else f'eval "$({printed})"'
    text = " ".join([found.keyword, *found.flags, word])
    return replace(found, original=text, values=(word,), body="", documents=())


def _copy(found: Instruction, number: int) -> Rewritten:
    *sources, target = found.values
    documents = [each for word in sources if (each := _DOCUMENT.fullmatch(word))]
    if len(documents) != len(found.documents):
        raise Unreadable(found.line, "it has a here-document whose name is unusual")
    files = {}
    for document, content in zip(documents, found.documents, strict=True):
        if "$" in content and not document["quote"]:
            raise Unreadable(
                found.line,
                f"it has a here-document with variables; quote its name (<<'{document['name']}') "
                "if they are none, or write the file with RUN",
            )
        path = f"{number}/{document['name']}"
        files[path] = _chomped(content) if document["chomp"] else content
    kept = [flag for flag in found.flags if flag.partition("=")[0] in _KEPT_FLAGS]
    line = " ".join(["COPY", f"--from={CONTEXT}", *kept, *files, target])
    others = tuple(word for word in sources if not _DOCUMENT.fullmatch(word))
    if not others:
        return Rewritten(None, line, files)
    text = " ".join([found.keyword, *found.flags, *others, target])
    rest = replace(found, original=text, values=(*others, target), body="", documents=())
    return Rewritten(rest, line, files)


def _chomped(content: str) -> str:
    """Return the content without the tabs at the start of its lines, as ``<<-`` has it."""
    return re.sub(r"^\t+", "", content, flags=re.MULTILINE)


def _escaped(text: str) -> str:
    """Return the text for the format ``%b`` of printf, in single quotes and on one line."""
    return "".join(_ESCAPES.get(each) or _octal(each) for each in text)


def _octal(character: str) -> str:
    """Return a character, or its bytes in octal digits if it cannot be seen."""
    if character.isprintable():
        return character
    return "".join(f"\\0{byte:03o}" for byte in character.encode())
