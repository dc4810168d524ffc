"""Collect the images and stages that a Dockerfile names, one instruction after the other.

`dockerfile` combines the results. Each instruction is returned as buildah gets it: with the full
names of images, and no variables in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from . import emit, here_documents, native
from .dialect import NEWEST, Dialect
from .plainparser import Instruction, Unreadable
from .references import resolve
from .result import BuildFailed
from .words import expand

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_STAGE: Final = re.compile(r"[a-z][a-z0-9_.-]*\Z")
_INDEX: Final = re.compile(r"[0-9]{1,4}\Z")
_EMPTY: Final = "scratch"
_WITH_FILES: Final = frozenset({"COPY", "ADD", "RUN"})
_MOUNT_FIELDS: Final = frozenset({"target", "dst", "destination", "source", "src", "id"})
_QUOTES: Final = frozenset("\"'\\`")
_POSIX_SHELL: Final = re.compile(r"(?:.*/)?(?:(?:ba|da|z|k|a)?sh|[^/]+\.sh)\Z")


class Stages:
    """The stages, images and arguments of the instructions seen so far."""

    def __init__(self, build_arguments: Mapping[str, str], dialect: Dialect = NEWEST) -> None:
        self.escape = "\\"
        self.images: dict[str, None] = {}
        self.mentioned: dict[str, None] = {}
        self.arguments: set[str] = set()
        self.starts: list[int] = []
        self.files: dict[str, str] = {}
        self._build_arguments = build_arguments
        self._dialect = dialect
        self._values = {**native.ARGUMENTS}
        self._stages: list[str] = []
        self._entry_points: list[Instruction | None] = []
        self._shell = "sh"
        self._number = 0

    def translate(self, found: Instruction) -> str:
        """Return the instruction as buildah gets it. Raises `Unreadable` or `BuildFailed`."""
        self._number += 1
        try:
            if found.body and not self._dialect.here_documents:
                return self._without_here_documents(found)
            return self._translate(found)
        except Unreadable:
            raise
        except ValueError as error:
            raise Unreadable(found.line, str(error)) from None

    @property
    def entry_point(self) -> Instruction | None:
        """Return the ENTRYPOINT of the image, unless it has a base image's or none."""
        return self._entry_points[-1] if self._entry_points else None

    def _translate(self, found: Instruction) -> str:
        if found.keyword == "FROM":
            return self._from(found)
        if not self._stages and found.keyword != "ARG":
            raise ValueError("only ARG may come before the first FROM")
        if found.keyword == "ARG":
            self._argument(found)
        elif found.triggers:
            self._trigger(found.triggers)
        elif found.keyword == "ENTRYPOINT":
            self._entry_points[-1] = found
        elif found.keyword == "SHELL":
            self._shell = (*found.values, "")[0]
        flags = self._dialect.flags(found)
        if found.keyword in _WITH_FILES:
            flags = tuple(map(self._flag, flags))
        return emit.instruction_text(found, flags, self.escape)

    def mention(self, name: str) -> None:
        """Note an image that this build does not use; ignores invalid names."""
        try:
            self.mentioned[resolve(name)] = None
        except ValueError:
            return

    def _without_here_documents(self, found: Instruction) -> str:
        if found.keyword == "RUN" and not _POSIX_SHELL.match(self._shell):
            raise Unreadable(found.line, f"it has a here-document for {self._shell[:80]!r}")
        known = replace(found, flags=self._dialect.flags(found))
        rewritten = here_documents.rewrite(known, self._number)
        self.files |= rewritten.files
        first = [self._translate(rewritten.instruction)] if rewritten.instruction else []
        return "\n".join([*first, *filter(None, [rewritten.line])])

    def _argument(self, found: Instruction) -> None:
        for word in found.values:
            name, has_default, value = word.partition("=")
            self.arguments.add(name)
            if self._stages:
                continue
            if not _NAME.match(name):
                raise ValueError(f"{name[:80]!r} is not a valid argument name")
            if name in self._build_arguments:
                self._values[name] = self._build_arguments[name]
            elif has_default:
                self._values[name] = expand(value, self._values, self.escape)

    def _from(self, found: Instruction) -> str:
        name, *rest = found.values or ("",)
        if any(word.startswith("#") for word in rest):
            raise ValueError("a comment after an instruction needs a line of its own")
        if rest and (len(rest) != 2 or rest[0].upper() != "AS"):
            raise ValueError("FROM takes an image, optionally followed by AS and a stage name")
        native.require_native(
            expand(_only_value(found.flags, "--platform"), self._values, self.escape)
        )
        expanded = expand(name, self._values, self.escape)
        source = self._source(expanded, self._stages, written=name)
        alias = rest[1].lower() if rest else ""
        if alias and (not _STAGE.match(alias) or alias == _EMPTY):
            raise ValueError(f"{alias[:80]!r} is not a valid stage name")
        earlier = dict(zip(self._stages, self._entry_points, strict=True))
        self._entry_points.append(earlier.get(source))
        self._shell = "sh"
        self._stages.append(alias)
        self.starts.append(self._number)
        return f"FROM {source} AS {alias}" if alias else f"FROM {source}"

    def _flag(self, flag: str) -> str:
        name, _, value = flag.partition("=")
        if name == "--from":
            return f"--from={self._origin(value)}"
        if name != "--mount":
            return flag
        if set(value) & _QUOTES:
            raise ValueError(f"the option {flag[:80]!r} contains quotes")
        return f"--mount={','.join(map(self._field, value.split(',')))}"

    def _field(self, field: str) -> str:
        """Check one part of a mount, such as ``target=/x``."""
        key, _, value = field.partition("=")
        if key.lower() == "from":
            return f"from={self._origin(value)}"
        if "$" in key or ("$" in value and key.lower() not in _MOUNT_FIELDS):
            raise ValueError(f"the variable in {field[:80]!r} could have any value")
        return field

    def _origin(self, name: str) -> str:
        """Resolve the source of an option's files.

        Variables are refused: their values would come from an image.
        """
        if set(name) & (_QUOTES | {"$"}):
            raise ValueError(
                f"{name[:80]!r} contains a variable or quotes; name a stage with FROM … AS …"
            )
        earlier = self._stages[:-1]
        if not _INDEX.match(name):
            return self._source(name, earlier)
        if int(name) >= len(earlier):
            raise ValueError(f"there is no earlier stage {name}")
        return str(int(name))

    def _source(self, name: str, stages: list[str], written: str = "") -> str:
        """Return the name of an earlier stage, of the empty image, or the full name of an image.

        ``written`` is the name before its variables were expanded.
        """
        if name == _EMPTY or (name and name.lower() in stages):
            return name.lower()
        try:
            full = resolve(name)
        except ValueError as error:
            raise BuildFailed("build.base-image", _refusal(name, written, error)) from None
        self.images[full] = None
        return full

    def _trigger(self, found: Instruction) -> None:
        """Note the images in ONBUILD, which are for builds based on this one."""
        if found.keyword in {"FROM", "ONBUILD", "MAINTAINER"}:
            raise ValueError(f"ONBUILD cannot be followed by {found.keyword}")
        for flag in found.flags:
            name, _, value = flag.partition("=")
            fields = value.split(",") if name == "--mount" else [f"from={value}"]
            for key, _, named in (each.partition("=") for each in fields):
                if key.lower() == "from":
                    self.mention(named)


def _refusal(name: str, written: str, error: ValueError) -> str:
    said = f"The Dockerfile uses {(written or name)[:200]!r}, which is not the name of an image in "
    said += f"a registry: {error}."
    if "$" in written:
        said += " Its variables need a value, in an ARG above the first FROM."
    elif name != name.lower():
        said += " Names of images are in lower case."
    return said


def _only_value(flags: tuple[str, ...], name: str) -> str:
    """Return the value of the only flag allowed."""
    values = [flag.partition("=")[2] for flag in flags if flag.startswith(f"{name}=")]
    if len(values) != len(flags) or len(values) > 1:
        raise ValueError(f"{' '.join(flags)[:80]!r} is not a single {name}")
    return "".join(values)
