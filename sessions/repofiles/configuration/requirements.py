"""Read requirements files as far as a build has to: their includes, their index, their mistakes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Final

_INCLUDE = re.compile(
    r"""^[ \t]*(?:-[ \t]+)?["']?(?:-[rc]|--requirement|--constraint)[ \t=]*([^\s#"';]+)""",
    re.MULTILINE,
)
_PYPI = re.compile(
    r"https?://(?:www\.)?(?:pypi\.org|pypi\.python\.org|pypi\.io)/(?:simple|pypi)/?(?=[\s\"'#]|$)"
)

_WINDOWS_ONLY = frozenset({
    "comtypes", "pypiwin32", "pywin32", "pywinpty", "vs2015-runtime", "win-inet-pton",
    "wincertstore", "winshell", "wmi",
})  # fmt: skip
# Modules of Python's whose names belong to packages that do something useful as well.
_BACKPORTS = frozenset({
    "argparse", "asyncio", "contextvars", "dataclasses", "distutils", "graphlib", "importlib",
    "pathlib", "statistics", "tomllib", "typing", "zoneinfo",
})  # fmt: skip
_NAMED_OTHERWISE = {
    "python": "which pip cannot install. Name its version in runtime.txt, such as python-3.11.",
    "pkg-resources": "which pip freeze lists on some systems, and which does not exist. Remove "
    "the line.",
    "sklearn": "which was renamed. Write scikit-learn.",
    "cv2": "the name of a module. Write opencv-python-headless.",
    "pil": "the name of a module. Write pillow.",
}
_LOCAL_VERSION = re.compile(r"[^#\n]*==[ \t]*[0-9][\w.]*\+(?:cu[0-9]+|cpu|rocm[0-9.]+)\b")
_TYPOGRAPHIC = re.compile(r"[^#\n]*[“”„‘’–—]")
_NAME = re.compile(r"[ \t]*([A-Za-z0-9][A-Za-z0-9._-]*)[ \t]*(?:[=<>!~;#\[].*)?")
_CONDA_PIN = re.compile(
    r"[ \t]*[A-Za-z0-9][\w.-]*[ \t]*(?<![=<>!~])=(?!=)[ \t]*[0-9*][^\s=]*[ \t]*"
)
_CONDA_LINE = re.compile(r"[ \t]*[A-Za-z0-9_][\w.-]*=[^\s=]+=[^\s=]+[ \t]*")
_LOCAL_BUILD = re.compile(r"[ \t]*[\w.-]+[ \t]*@[ \t]*file:///")
_QUOTED = re.compile(r"""[ \t]*\[?[ \t]*["'][A-Za-z0-9]|[A-Za-z0-9][\w.-]*[ \t]*,[ \t]*$""")
_COMMAND = re.compile(
    r"[ \t]*[!%]?[ \t]*(?:(?:sudo|python3?[ \t]+-m)[ \t]+)?(?:pip3?|conda|mamba)[ \t]+install\b"
)
_IMPORT = re.compile(r"[ \t]*(?:import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import[ \t])")
_UPGRADE = re.compile(r"[^#\n]*(?<!\S)(?:--upgrade|-U)(?!\S)")
_GIT_SCP = re.compile(r"[^#\n]*git\+(?:ssh://)?[\w.-]+@[\w.-]+:(?![0-9])")
_GIT_PROTOCOL = re.compile(r"[^#\n]*git(?:\+git)?://", re.IGNORECASE)


def includes(text: str) -> list[str]:
    """Return the paths of the files that a requirements file, or one for conda, includes."""
    return _INCLUDE.findall(text)


def places(path: str, text: str) -> dict[str, str]:
    """Return where the file names each package, in words; names are as PEP 503 writes them."""
    named = ((number, _NAME.fullmatch(line)) for number, line in enumerate(text.splitlines(), 1))
    return {normalized(name[1]): f"line {number} of {path}" for number, name in named if name}


def normalized(name: str) -> str:
    """Return a package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def use_mirror(text: str, mirror: str) -> str:
    """Return the text with the site's ``mirror`` in the place of PyPI's own index."""
    return _PYPI.sub(lambda _: mirror, text) if mirror else text


def mistake(path: str, text: str) -> str:
    """Return a sentence about the first known mistake in a requirements file; "" if there is none.

    It explains a failure: an installer may well accept the line.
    """
    lines = text.splitlines()
    for fits, sentence in _WHOLE_FILES:
        if fits(lines):
            return f"{path} {sentence}"
    for number, line in enumerate(lines, 1):
        if sentence := _line_mistake(line):
            return f"Line {number} of {path} {sentence}"
    return ""


def _line_mistake(line: str) -> str:
    for pattern, sentence in _LINES:
        if pattern.match(line):
            return sentence
    found = _NAME.fullmatch(line)
    name = re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""
    if name in _WINDOWS_ONLY and "sys_platform" not in line and "platform_system" not in line:
        return (
            f"asks for {name}, which exists only for Windows. Remove it, or write "
            f'{name} ; sys_platform == "win32".'
        )
    if name in _NAMED_OTHERWISE:
        return f"asks for {name}, {_NAMED_OTHERWISE[name]}"
    if found and found[1] in sys.stdlib_module_names - _BACKPORTS:
        return f"asks for {found[1]}, which is a part of Python itself. Remove the line."
    return ""


def _has_conda_list(lines: list[str]) -> bool:
    head = any("conda create --name" in line for line in lines[:5])
    return head or any(_CONDA_LINE.fullmatch(line) for line in lines)


def _has_pip_list(lines: list[str]) -> bool:
    return any(line.split() == ["Package", "Version"] for line in lines[:3])


def _has_yaml(lines: list[str]) -> bool:
    return any(line.rstrip() == "dependencies:" for line in lines)


def _has_rich_text(lines: list[str]) -> bool:
    return bool(lines) and lines[0].startswith("{\\rtf")


def _has_html(lines: list[str]) -> bool:
    return any(line.lstrip().lower().startswith(("<!doctype", "<html")) for line in lines[:5])


_WHOLE_FILES: Final[tuple[tuple[Callable[[list[str]], bool], str], ...]] = (
    (
        _has_conda_list,
        (
            "looks like the output of conda list --export, which pip cannot read. Write an "
            "environment.yml with conda env export --from-history, or a requirements.txt with "
            "pip list --format=freeze."
        ),
    ),
    (
        _has_pip_list,
        "looks like the output of pip list. Write it with pip list --format=freeze.",
    ),
    (_has_yaml, "looks like a file for conda. Call it environment.yml."),
    (_has_rich_text, "is a document of a word processor. Save it as plain text."),
    (_has_html, "is a web page. Save the file itself, not the page that shows it."),
)
_LINES: Final = (
    (
        _LOCAL_BUILD,
        (
            "names a file on somebody's computer (file://), as pip freeze writes it in a conda "
            "environment. Write the package's version instead, as pip list --format=freeze does."
        ),
    ),
    (
        _TYPOGRAPHIC,
        "has typographic quotes or dashes, as word processors write them. Write \" ' and -.",
    ),
    (
        _LOCAL_VERSION,
        (
            "asks for a version that PyPI does not have (+cu… or +cpu). Write the version without "
            "it, or add the index that has it, such as --extra-index-url "
            "https://download.pytorch.org/whl/cpu"
        ),
    ),
    (
        _QUOTED,
        (
            "has quotes or a comma around a name, as a list in Python has. Write only the names of "
            "packages, one per line."
        ),
    ),
    (_COMMAND, "is a command. Write only the names of packages, one per line."),
    (_IMPORT, "is Python code. Write only the names of packages, one per line."),
    (
        _UPGRADE,
        (
            "has the option --upgrade, which a requirements file cannot have. Remove it: the "
            "environment is new, so packages are as new as the file allows."
        ),
    ),
    (
        _GIT_SCP,
        "uses an address of git that pip cannot read. Write git+https://host/owner/repository.",
    ),
    (
        _GIT_PROTOCOL,
        "uses the address git://…, which hosts no longer offer. Write git+https://….",
    ),
    (
        _CONDA_PIN,
        "has a single =, as conda writes versions. pip needs two, such as numpy==1.26.4.",
    ),
)
