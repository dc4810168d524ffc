"""Read the text of a repository's ``.resources``. Pure; `resources` decides what follows from it.

It has lines of ``key=value``, as the service's page promises; ``#`` begins a comment. Other
spellings are understood if they have one meaning: capitals, a colon, ``export``, quotes. A request
is taken exactly or refused: nobody should wait for a build and then get less than they wrote, so a
key that is nearly one of ours is refused, too. Any other line is ignored, with a warning.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

MAX_BYTES = 64 * 1024
KEYS = ("gpu", "gputype", "cpur", "cpul", "memr", "meml")

_MAX_VALUE = 1_000_000
# Kubernetes counts CPUs in thousandths, and a limit rounded to 0 would mean no limit.
_MIN_LIMIT = 0.001
_MAX_WARNINGS = 20
_MAX_QUOTED = 40

_EXPORT = "export "
_WORDS = re.compile(r"[^\W\d_]+")
_SIMILARITY = 0.75
_OTHER_NAMES = {"cpu": "cpul", "cpus": "cpul", "gpus": "gpu", "mem": "meml", "memory": "meml",
                "ram": "meml"}  # fmt: skip

# Each part of these patterns begins with a character that the part before cannot end with, so a
# line of 64 KB is read once, without backtracking.
_DIGITS = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_NUMBER = re.compile(rf"\+?{_DIGITS}")
_GPU_TYPE = re.compile(r"[a-z0-9][-a-z0-9_.]{0,62}")
_MISSPELT = {
    "missing": re.compile(""),
    "infinite": re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE),
    "negative": re.compile(r"-\s*\.?[0-9].*", re.DOTALL),
    "unit": re.compile(rf"\+?{_DIGITS}\s*(?:[^\W\d_]+|%)"),
    "comma": re.compile(r"\+?[0-9]*,[0-9]+"),
}
_FAULTS = {
    "missing": gettext_lazy("Line %(line)d of .resources gives no value for %(key)s."),
    "infinite": gettext_lazy(
        "Line %(line)d of .resources sets %(key)s to “%(found)s”, which is not a finite number."
    ),
    "negative": gettext_lazy(
        "Line %(line)d of .resources sets %(key)s to “%(found)s”, which is negative."
    ),
    "unit": gettext_lazy(
        "Line %(line)d of .resources sets %(key)s to “%(found)s”, which has a unit."
    ),
    "comma": gettext_lazy(
        "Line %(line)d of .resources sets %(key)s to “%(found)s”. Use a point for "
        "decimals, and no comma for thousands."
    ),
    "other": gettext_lazy(
        "Line %(line)d of .resources sets %(key)s to “%(found)s”, which is not a number."
    ),
    "fraction": gettext_lazy(
        "Line %(line)d of .resources sets %(key)s to “%(found)s”, which is not a whole number."
    ),
    "large": gettext_lazy(
        "Line %(line)d of .resources sets %(key)s to “%(found)s”, which is more than 1,000,000."
    ),
    "name": gettext_lazy(
        "Line %(line)d of .resources sets %(key)s to “%(found)s”, which is no name."
    ),
    "nothing": gettext_lazy(
        "Line %(line)d of .resources sets %(key)s to “%(found)s”, which is too little to "
        "run a notebook."
    ),
}
_CPU_SPELLING = gettext_lazy(
    "Write the number of CPUs, without a unit, such as %(key)s=2 or %(key)s=0.5."
)
_MEMORY_SPELLING = gettext_lazy(
    "Memory is in GB: write the number, without a unit, such as %(key)s=4 or %(key)s=0.5."
)
_SPELLINGS = {
    "gpu": gettext_lazy("Write a whole number of GPUs, without a unit, such as %(key)s=1."),
    "gputype": gettext_lazy("Write the name of a type of GPU, such as gpu=1 and %(key)s=a100."),
    "cpur": _CPU_SPELLING,
    "cpul": _CPU_SPELLING,
    "memr": _MEMORY_SPELLING,
    "meml": _MEMORY_SPELLING,
}


class ResourcesRefused(Exception):
    """Raised if the file cannot be followed, or asks for more than may be had.

    ``line`` is the line that says so, 0 for the file as a whole. If a limit is exceeded, ``limit``
    is its name, and ``requested`` and ``allowed`` are the figures.
    """

    def __init__(
        self,
        code: str,
        message: str,
        line: int = 0,
        *,
        limit: str = "",
        requested: float | None = None,
        allowed: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line
        self.limit = limit
        self.requested = requested
        self.allowed = allowed


@dataclass(frozen=True)
class RequestedResources:
    """Resources that the file asks for; None where it says nothing.

    In CPUs and GB; r is the guaranteed request, l the limit. ``lines`` has the line number of each
    given key, ``warnings`` messages for the launch's log.
    """

    gpu: int | None = None
    gputype: str = ""
    cpur: float | None = None
    cpul: float | None = None
    memr: float | None = None
    meml: float | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _LineWarning:
    """A line that is ignored, or that replaces the ``earlier`` one."""

    line: int
    text: str
    earlier: int = 0

    def __str__(self) -> str:
        values = {"line": self.line, "text": _excerpt(self.text), "earlier": self.earlier}
        if self.earlier:
            template = _(
                "Line %(line)d of .resources sets %(text)s again. This line counts, and "
                "line %(earlier)d does not; remove one of them."
            )
        elif "=" in self.text:
            return _unknown_key_message(self.line, self.text.partition("=")[0].strip())
        else:
            template = _(
                "Line %(line)d of .resources is ignored: “%(text)s” is not a key, = and a "
                "number. Write a line like gpu=1, or put # before a comment."
            )
        return template % values


def parse(content: bytes) -> RequestedResources:
    """Return what the file asks for. Raises `ResourcesRefused`, and never anything else."""
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    oddities: list[_LineWarning] = []
    for line, text in _significant_lines(_decode(content)):
        key, value = _split(text)
        if key not in KEYS:
            _refuse_near_miss(line, text, key)
            oddities.append(_LineWarning(line, text))
            continue
        if key in lines:
            oddities.append(_LineWarning(line, key, earlier=lines[key]))
        values[key], lines[key] = _parse_value(line, key, value), line
    if "gputype" in values and not values.get("gpu"):
        message = _(
            "Line %(line)d of .resources names a type of GPU, but no GPU is asked for. Add a line "
            "such as gpu=1, or remove this one."
        )
        line = lines["gputype"]
        raise ResourcesRefused("resources.gputype-alone", message % {"line": line}, line)
    return RequestedResources(**values, lines=lines, warnings=_warnings(oddities))


def _split(text: str) -> tuple[str, str]:
    """Return key and value of a line, as ``gpu=1``, ``GPU: 1`` and ``export gpu="1"`` have them."""
    bare = text[len(_EXPORT) :] if text.casefold().startswith(_EXPORT) else text
    ends = [at for at in (bare.find("="), bare.find(":")) if at >= 0]
    end = min(ends, default=len(bare))
    key = _unquoted(bare[:end].strip()).casefold()
    return key, _unquoted(bare[end + 1 :].strip().rstrip(",;").rstrip())


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1].strip() if quoted else text


def _refuse_near_miss(line: int, text: str, key: str) -> None:
    """Raise `ResourcesRefused` if a line that has no known key was surely meant to have one."""
    words = _WORDS.findall(key)
    if "=" in text or ":" in text:
        near = get_close_matches(key, KEYS, n=1, cutoff=_SIMILARITY)
        known = ["".join(words), *(_OTHER_NAMES.get(word, word) for word in words)]
        meant = shown = next((word for word in known if word in KEYS), "".join(near))
    else:
        first, _blank, rest = text.partition(" ")
        word = first.casefold()
        meant = _OTHER_NAMES.get(word, word) if _NUMBER.match(rest.strip()) else ""
        shown = f"{meant}={_excerpt(rest.strip())}"
    if meant in KEYS:
        template = _(
            "Line %(line)d of .resources is not understood: “%(text)s”. Did you mean %(key)s? "
            "Write a line like gpu=1, or put # before a comment."
        )
        message = template % {"line": line, "text": _excerpt(text), "key": shown}
        raise ResourcesRefused("resources.key", message, line)


# Windows' Notepad and PowerShell's > write these. UTF-32's mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


_POINTER = "version https://git-lfs.github.com/spec/"
_CONFLICT = "<" * 7
_USUAL = str.maketrans("\uff1d\uff1a", "=:")
"""The wide signs of East Asian keyboards."""


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        message = _(
            "The file .resources is larger than 64 KB, so it was not read. It never needs "
            "more than six lines; remove the rest."
        )
        raise ResourcesRefused("resources.too-large", message)
    marks = ((mark, name) for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark))
    _mark, encoding = next(marks, (b"", "utf-8-sig"))
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if text.startswith(_POINTER):
        message = _(
            "The file .resources is kept in Git LFS, so there is only a pointer to it in the "
            "repository. Exclude it in .gitattributes, and commit the file itself."
        )
        raise ResourcesRefused("resources.not-text", message)
    if "\0" in text:
        message = _("The file .resources is not text. Save it as plain text in UTF-8.")
        raise ResourcesRefused("resources.not-text", message)
    return text


def _significant_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers, without comments and outer blanks.

    Wide signs are the usual ones here.
    """
    # Not `splitlines`: editors number lines by these three line ends only.
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if bare := line.translate(_USUAL).partition("#")[0].strip():
            if bare.startswith(_CONFLICT):
                message = _(
                    "Line %(line)d of .resources marks a conflict that git left when branches were "
                    "merged. Decide on one of the two versions, and remove the marks."
                )
                raise ResourcesRefused("resources.key", message % {"line": number}, number)
            yield number, bare


def _parse_value(line: int, key: str, text: str) -> float | str:
    text = text.casefold() if key == "gputype" else text
    if fault := _find_fault(key, text):
        template = f"{_FAULTS[fault]} {_SPELLINGS[key]}"
        message = template % {"line": line, "key": key, "found": _excerpt(text)}
        raise ResourcesRefused("resources.value", message, line)
    if key == "gputype":
        return text
    # Through a float, as `int` refuses long rows of zeros. Up to a million that is exact.
    return int(float(text)) if key == "gpu" else float(text)


def _find_fault(key: str, text: str) -> str:
    """Return the name of the value's fault in `_FAULTS`; "" if it is valid."""
    if key == "gputype":
        return "" if _GPU_TYPE.fullmatch(text) else "name" if text else "missing"
    if not _NUMBER.fullmatch(text):
        named = (name for name, pattern in _MISSPELT.items() if pattern.fullmatch(text))
        return next(named, "other")
    if key == "gpu" and "." in text:
        return "fraction"
    if float(text) > _MAX_VALUE:
        return "large"
    return "nothing" if key in {"cpul", "meml"} and float(text) < _MIN_LIMIT else ""


def _warnings(oddities: list[_LineWarning]) -> tuple[str, ...]:
    """Return messages for the first oddities, and how many more there are."""
    sentences = [str(oddity) for oddity in oddities[:_MAX_WARNINGS]]
    if more := len(oddities) - len(sentences):
        template = ngettext(
            "… and %(count)d more line of .resources like these.",
            "… and %(count)d more lines of .resources like these.",
            more,
        )
        sentences.append(template % {"count": more})
    return tuple(sentences)


def _unknown_key_message(line: int, key: str) -> str:
    template = _(
        "Line %(line)d of .resources is ignored: “%(key)s” is not a known key. The keys are "
        "%(keys)s."
    )
    return template % {"line": line, "key": _excerpt(key), "keys": ", ".join(KEYS)}


def _excerpt(text: str) -> str:
    """Return at most 40 characters of what somebody wrote, none of them invisible."""
    short = text if len(text) <= _MAX_QUOTED else f"{text[: _MAX_QUOTED - 1]}…"
    return "".join(each if each.isprintable() else "\ufffd" for each in short)
