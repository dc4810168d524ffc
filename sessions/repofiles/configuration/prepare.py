"""Make plain files of those that describe an environment, and put the originals back.

Tools that parse these files are strict: some want UTF-8, some LF, all of them one grammar. So a
build reads a plain form of each file, in its place, and the notebook gets the file as it is in the
repository; a postBuild that is not executable becomes so in the same way. Only a start script stays
plain, because it runs again whenever the notebook starts, and so do lists of files to ignore, which
the build of a Dockerfile reads.

All functions work on the current directory. It must not have been changed by strangers' code, and
links that lead out of it have been refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from . import aptfile, encoding, hints, names, requirements, runtimefile

tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

ORIGINALS = "originals"
_RECORD = "plain.json"
_KEPT_PLAIN = ("start", *names.IGNORES)
_MAX_BYTES = 5_000_000
_MAX_INCLUDED = 50
_CONFLICT = tuple(re.compile(f"^{mark}$", re.MULTILINE) for mark in ("<{7} .*", "={7}", ">{7} .*"))
_POINTER = b"version https://git-lfs.github.com/spec/v1"
_ANY_MINOR = re.compile(r"^(\s*-\s*[\"']?)(python|r-base)\s*={1,2}\s*(\d+)\.\*", re.MULTILINE)
"""Any version of a major one, which repo2docker misreads: without the dot, it means the same."""


@dataclass
class Prepared:
    """The files of a repository, ready to be read.

    ``folder`` is the one that has them, "" for the root. By path, ``notes`` say what was
    understood, ``faults`` why a file cannot be used, and ``mistakes`` what explains a failure.
    ``places`` are the lines of packages, by name.
    ``digests`` has the files that were rewritten, ``node`` those that expect Node.js.
    """

    folder: str
    notes: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    node: list[str] = field(default_factory=list)


def prepare(kept: Path, mirror: str = "") -> Prepared:
    """Write plain files in the places of others, and copy the originals to ``kept``.

    ``mirror`` is the address of the site's package index, which stands for PyPI's. Raises
    `ValueError` with a sentence if no folder can be chosen.
    """
    found = Prepared(_binder_folder())
    own = _own_files(found.folder)
    for path in dict.fromkeys((*own, *_included(own))):
        _prepare_file(path, found, kept, mirror)
    if found.digests:
        (kept / _RECORD).write_text(json.dumps(found.digests))
    return found


def restore(kept: Path, repository: Path = Path()) -> None:
    """Put the originals back, except those whose plain form was changed meanwhile."""
    try:
        digests: dict[str, str] = json.loads((kept / _RECORD).read_text())
    except FileNotFoundError:
        return
    for path, digest in digests.items():
        original, plain = kept / ORIGINALS / path, repository / path
        if os.path.lexists(original) and _digest(plain) == digest:
            plain.unlink(missing_ok=True)
            shutil.copy2(original, plain, follow_symlinks=False)


def _binder_folder() -> str:
    """Return the folder that has the files, "" for the root.

    Raises `ValueError` with a sentence if two folders claim to.
    """
    there = [name for name in names.FOLDERS if Path(name).is_dir()]
    if len(there) > 1:
        raise ValueError(
            "the repository has both a folder binder and a folder .binder, but only one of them "
            "can describe the environment. Move its files into one of them, and remove the other."
        )
    return "".join(there)


def _own_files(folder: str) -> list[str]:
    """Return the paths that may have to be read: beside a Dockerfile, the others are its own."""
    has_dockerfile = os.path.isfile(os.path.join(folder, names.DOCKERFILE))
    wanted = (names.DOCKERFILE, *names.IGNORES) if has_dockerfile else names.ALL
    return [os.path.join(folder, name) for name in wanted]


def _included(paths: list[str]) -> list[str]:
    """Return the files that requirements include, directly or not, in the repository."""
    bearing = (*names.REQUIREMENTS, *names.ENVIRONMENT)
    todo = [path for path in paths if os.path.basename(path) in bearing]
    seen = dict.fromkeys(todo)
    inside = os.path.realpath(".")
    while todo and len(seen) < _MAX_INCLUDED:
        path = todo.pop()
        for name in requirements.includes(_text(path)):
            near = os.path.normpath(os.path.join(os.path.dirname(path), name))
            if near not in seen and os.path.realpath(near).startswith(f"{inside}/"):
                seen[near] = None
                todo.append(near)
    return list(seen)


def _prepare_file(path: str, found: Prepared, kept: Path, mirror: str) -> None:
    content = _read(path)
    if content is None:
        return
    is_script = os.path.basename(path) in names.SCRIPTS
    try:
        _require_content(path, content)
        plain = (
            _plain_script(path, content, found)
            if is_script
            else _plain(path, content, found, mirror)
        )
    except ValueError as error:  # `UndecodableText` is one, too
        found.faults[path] = _sentence(path, error)
        return
    if os.path.basename(path) in names.RUNNING and hints.expects_node(_text(path)):
        found.node.append(path)
    mode = os.stat(path).st_mode & 0o7777
    runs_once = os.path.basename(path) == "postBuild"
    needed = mode | 0o111 if runs_once else mode
    if plain == content and needed == mode:
        return
    original = kept / ORIGINALS / path
    if os.path.basename(path) not in _KEPT_PLAIN:
        original.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, original, follow_symlinks=False)
    os.unlink(path)
    if plain is not None:
        Path(path).write_bytes(plain)
        os.chmod(path, needed)
    found.digests[path] = _digest(Path(path))


def _require_content(path: str, content: bytes) -> None:
    """Raise `ValueError` with a sentence for what stands for a file in Git LFS."""
    if content.startswith(_POINTER):
        raise ValueError(
            f"{path} is only a pointer of Git LFS, because its content could not be fetched or "
            ".gitattributes does not name it. Commit the file itself."
        )


def _plain(path: str, content: bytes, found: Prepared, mirror: str) -> bytes | None:
    """Return the plain form of a file, None if it says nothing. Raises `ValueError`."""
    name = os.path.basename(path)
    if name in names.OTHERS:
        return encoding.without_mark(content)
    text = encoding.decode(content)
    if not encoding.is_plain(content):
        found.notes[path] = f"{path} was converted to UTF-8 with usual line ends for the build."
    _check_merged(path, text)
    _check_syntax(path, text)
    if name == names.RUNTIME:
        return _reworded(path, text, runtimefile.canonical, found)
    if name == names.APT:
        return _reworded(path, text, _packages, found)
    meant = requirements.use_mirror(text, mirror)
    if meant != text:
        found.notes[path] = f"{path} names PyPI's own address; this portal's mirror stands for it."
    if name in names.ENVIRONMENT and (found_minor := _ANY_MINOR.search(meant)):
        meant = _ANY_MINOR.sub(r"\1\2=\3", meant)
        found.notes[path] = f"{path} was understood as: {found_minor[2]}={found_minor[3]}"
    if name in names.REQUIREMENTS or name not in names.ALL:
        _note_mistake(path, requirements.mistake(path, text), found)
        found.places = {**requirements.places(path, text), **found.places}
        meant = encoding.without_invisible(meant)
    return content if meant == text and encoding.is_plain(content) else meant.encode()


def _check_merged(path: str, text: str) -> None:
    """Raise `ValueError` with a sentence if the file is a merge that nobody has finished."""
    found = [mark.search(text) for mark in _CONFLICT]
    if found[0] and all(found):
        line = text.count("\n", 0, found[0].start()) + 1
        raise ValueError(
            f"{path} has the marks of a conflict (<<<<<<<, line {line}), which git left when "
            "branches were merged. Decide on one of the two versions, remove the marks and commit "
            "the file."
        )


def _check_syntax(path: str, text: str) -> None:
    """Raise `ValueError` with a sentence if a file is not what its name says: parsers name none."""
    try:
        if path.endswith(".toml") or os.path.basename(path) == "Pipfile":
            found = tomllib.loads(text)
        elif path.endswith(".lock"):
            found = json.loads(text)
        else:
            return
    except (ValueError, RecursionError) as error:  # those of both parsers are
        kind = "JSON" if path.endswith(".lock") else "TOML"
        raise ValueError(f"{path} is not valid {kind}: {error}") from None
    if os.path.basename(path) in {"Pipfile", "Pipfile.lock"}:
        _check_pipenv(path, found)


def _check_pipenv(path: str, found: Any) -> None:
    """Raise `ValueError` with a sentence unless the version of Python is where it belongs."""
    steps = ("requires",) if os.path.basename(path) == "Pipfile" else ("_meta", "requires")
    for step in steps:
        found = found.get(step, {}) if isinstance(found, dict) else None
    versions = list(found.values()) if isinstance(found, dict) else [None]
    if not all(isinstance(version, str) for version in versions):
        raise ValueError(
            f"{path} is not a file of pipenv: under requires, it must name versions as text, such "
            'as python_version = "3.11". Write the file with pipenv.'
        )


def _packages(text: str) -> str:
    return "\n".join(aptfile.packages(text))


def _note_mistake(path: str, mistake: str, found: Prepared) -> None:
    if mistake:
        found.mistakes[path] = mistake


def _plain_script(path: str, content: bytes, found: Prepared) -> bytes:
    plain = encoding.plain_script(content)
    if plain != content:
        found.notes[path] = (
            f"{path} was saved for Windows (line ends, or a byte order mark), and runs as if it "
            "had been saved for Linux."
        )
    _note_mistake(path, hints.script_mistake(path, plain.decode("utf-8", "replace")), found)
    return plain


def _reworded(path: str, text: str, read: Callable[[str], str], found: Prepared) -> bytes | None:
    """Return what ``read`` makes of the text, with a note if it is worded in another way."""
    canonical = read(encoding.without_invisible(text))
    if not canonical:
        found.notes[path] = f"{path} says nothing, so it is not used."
        return None
    bare = {line.partition("#")[0].strip() for line in text.splitlines()} - {""}
    if bare != set(canonical.splitlines()):
        shown = canonical.replace("\n", ", ")
        found.notes[path] = f"{path} was understood as: {shown[:500]}"
    return f"{canonical}\n".encode()


def _sentence(path: str, error: ValueError) -> str:
    if isinstance(error, encoding.UndecodableText):
        return f"{path} is not text in UTF-8 (line {error.line}). Save it as UTF-8 and try again."
    return str(error)


def _read(path: str) -> bytes | None:
    """Return the content, or None if it is no file, or too large to be one that people wrote."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _MAX_BYTES:
            return None
        return Path(path).read_bytes()
    except OSError:
        return None


def _text(path: str) -> str:
    try:
        return encoding.decode(_read(path) or b"")
    except encoding.UndecodableText:
        return ""


def _digest(path: Path) -> str:
    """Return a digest of a file's content; "" if it is not there, or no file."""
    if path.is_symlink() or not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()
