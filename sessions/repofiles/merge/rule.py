"""Decide what becomes of a path in a merge, and name second versions. Pure functions.

The values of a merge are here as well: an entry of a folder, the state of a git folder, a record.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Any, NamedTuple

FILE, LINK, FOLDER, OTHER = "file", "link", "folder", "other"
DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_UNREACHABLE_ERRNOS = frozenset({
    errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ENODEV, errno.ETIMEDOUT, errno.EHOSTDOWN,
    errno.ENXIO,
})  # fmt: skip
"""A disk or file server that does not answer: nothing is known about any file."""


class MergeFailed(Exception):
    """Raised if nothing could be merged, or not all of it; another run goes on.

    ``code`` is stable, ``message`` is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Entry(NamedTuple):
    """A file, link or folder at a path.

    ``digest_or_target`` is a file's digest or a link's target, ``size`` is in bytes. ``stat_data``
    tells how the target's file was left: mode, mtime and ctime (ns).
    """

    kind: str
    mode: int = 0
    size: int = 0
    digest_or_target: str = ""
    stat_data: tuple[int, int, int] | None = None


class GitState(NamedTuple):
    """The state of a git folder, apart from its objects.

    ``head`` is the content of HEAD, ``refs`` has the values of refs by name, ``staged`` is a digest
    of the index. ``in_progress``: git is in the middle of a merge, say.
    """

    head: str
    refs: dict[str, str]
    staged: str
    in_progress: bool = False


class State(NamedTuple):
    """A record: which commit the target has, every path of the repository, its git folders."""

    commit: str = ""
    entries: dict[bytes, Entry] = {}  # noqa: RUF012  (never written to)
    git: dict[bytes, GitState] = {}  # noqa: RUF012
    report: dict[str, Any] = {}  # noqa: RUF012
    staging: str = ""


def is_disk_failure(error: OSError) -> bool:
    """Return whether the disk as a whole fails, and not a single file."""
    return error.errno in DISK_FULL_ERRNOS | DISK_UNREACHABLE_ERRNOS | {
        errno.EROFS,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
    }


NOTHING, PUT, MAKE, DROP, CLEAR, KEEP, BESIDE, REPLACE = (
    "nothing", "put", "make", "drop", "clear", "keep", "beside", "replace")  # fmt: skip


def decide_action(
    base: str | None,
    mine: str | None,
    theirs: str | None,
    *,
    untouched: bool,
    same: bool,
    unchanged: bool,
) -> str:
    """Return what becomes of a path, from the kinds of the three sides (None: nothing is there).

    ``untouched``: mine is as it was left. ``same``: mine is as theirs. ``unchanged``: theirs is as
    base. The result is one of the constants above. Folders are ``clear``ed when they are empty, and
    ``replace``d where nothing of the person's is in them.
    """
    if theirs is None:
        return _action_if_removed(base, mine, untouched=untouched)
    if theirs == FOLDER:
        return _action_if_folder(base, mine, untouched=untouched, unchanged=unchanged)
    if mine == FOLDER and base == FOLDER:
        return REPLACE
    if same:
        return NOTHING
    if (mine is None and base == FOLDER) or (untouched and mine != FOLDER):
        return PUT
    return KEEP if unchanged else BESIDE


def _action_if_removed(base: str | None, mine: str | None, *, untouched: bool) -> str:
    """Return what becomes of a path that the repository does not have (any more)."""
    if mine is None:
        return NOTHING
    if mine == FOLDER:
        return CLEAR if base == FOLDER else KEEP
    return DROP if untouched else KEEP


def _action_if_folder(
    base: str | None, mine: str | None, *, untouched: bool, unchanged: bool
) -> str:
    """Return what becomes of a path that is a folder in the repository."""
    if mine == FOLDER:
        return NOTHING
    if mine is None:  # a folder that the person removed comes back only for new files in it
        return NOTHING if base == FOLDER and not untouched else MAKE
    if untouched:
        return MAKE
    return KEEP if unchanged else BESIDE


def conflict_name(name: bytes, commit: str, number: int = 1) -> bytes:
    """Return the name for the repository's version of a file that the person changed, too.

    It has at most 255 bytes. Notebooks keep their ending, without which Jupyter does not open them.
    ``number`` tells several versions of one commit apart.
    """
    version = commit[:7] if re.fullmatch("[0-9a-f]{40,64}", commit) else commit
    tail = b".from-" + version.encode() + (b"-%d" % number if number > 1 else b"")
    stem, ending = os.path.splitext(name)
    if ending != b".ipynb":
        stem, ending = name, b""
    return _truncate_name(stem, 255 - len(tail) - len(ending)) + tail + ending


def _truncate_name(name: bytes, most: int) -> bytes:
    """Return at most ``most`` bytes of a name, without half a letter where it is UTF-8."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return name[:most]
    return name[:most].decode("utf-8", "ignore").encode()


def path_parts(path: bytes) -> list[bytes]:
    """Return the parts of the path: sorted by them, a folder comes before what is in it."""
    return path.split(b"/")


def content_of(entry: Entry | None) -> tuple[str, int, str] | None:
    """Return the kind, size and digest or target by which entries are compared."""
    return (entry.kind, entry.size, entry.digest_or_target) if entry else None


def paths_below(entries: dict[bytes, Entry], top: bytes) -> list[bytes]:
    """Return the paths of all entries below a folder."""
    return [path for path in entries if path.startswith(top + b"/")]


def contents_below(entries: dict[bytes, Entry], top: bytes) -> dict[bytes, Any]:
    """Return the contents of all entries below a folder, by path."""
    return {path: content_of(entries[path]) for path in paths_below(entries, top)}
