"""Read a Dockerfile as far as a build has to know it: its images and its stages.

Every image that it names is resolved here, and the text for buildah is rewritten from what was
read: one instruction per line, full names of images, no variables in them. So what was checked is
what is built, although buildah parses Dockerfiles and names with code of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from . import emit, entry_points, instructions
from .dialect import NEWEST, Dialect
from .plainparser import Unreadable
from .result import BuildFailed
from .stages import Stages

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile that was read.

    ``images`` are the full names of those needed before the first step, each once; ``mentioned``
    those that are named but not used by this build. ``arguments`` are the names of the arguments it
    declares; ``has_here_documents`` means that not every buildah can read it. ``files`` are the
    contents of rewritten here-documents, by their path in the context `here_documents.CONTEXT`.
    """

    images: tuple[str, ...]
    mentioned: tuple[str, ...]
    arguments: frozenset[str]
    has_here_documents: bool
    files: Mapping[str, str]
    _lines: tuple[str, ...] = field(repr=False)
    _stages: frozenset[int] = field(repr=False)

    def text(self, values: Mapping[str, str]) -> str:
        """Return the text for buildah, with these variables for every step of every stage.

        They are arguments of the build: steps see them, the image does not keep them.
        """
        given = [_argument(name, value) for name, value in values.items()]
        shown = []
        for index, line in enumerate(self._lines):
            shown += [line, *given] if index in self._stages else [line]
        return "\n".join(shown) + "\n"


def read(
    text: str,
    build_arguments: Mapping[str, str] | None = None,
    reader: instructions.Reader | None = None,
    dialect: Dialect = NEWEST,
) -> Dockerfile:
    """Return the parsed text; ``build_arguments`` are those that the build will get.

    What this buildah's ``dialect`` lacks is rewritten if that changes nothing in the image.

    Raises `BuildFailed` if it is ambiguous, if it names something that is not an image in a
    registry, or if its entry point could never start anything.
    """
    stages = Stages(build_arguments or {}, dialect)
    try:
        found = instructions.read(text, reader)
        stages.escape = found.escape
        stages.mention(found.syntax)
        lines = [emit.escape_directive(found.escape), *map(stages.translate, found.instructions)]
    except Unreadable as error:
        where = f"Line {error.line} of the" if error.line else "The"
        why = f"{where} Dockerfile is not supported: {str(error).rstrip('.')}."
        raise BuildFailed("build.dockerfile", f"{why} Rewrite it more simply.") from None
    if not stages.starts:
        message = "The Dockerfile has no FROM, so it has no base image. Add one and try again."
        raise BuildFailed("build.dockerfile", message)
    entry_points.check(stages.entry_point)
    return Dockerfile(
        images=tuple(stages.images),
        mentioned=tuple(stages.mentioned),
        arguments=frozenset(stages.arguments),
        has_here_documents=dialect.here_documents and any(each.body for each in found.instructions),
        files=stages.files,
        _lines=tuple(lines),
        _stages=frozenset(stages.starts),
    )


def _argument(name: str, value: str) -> str:
    if not _NAME.match(name) or not value.isprintable() or "'" in value:
        raise ValueError(f"The variable {name} cannot be passed to the steps of a build.")
    return f"ARG {name}='{value}'"
