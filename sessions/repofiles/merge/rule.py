"""The rule of a merge: what becomes of a path, and what a second version is called. Pure.

Its values are here as well: what stands at a path, how a git folder is, what a record says.
"""

from __future__ import annotations

import errno
import os
from typing import Any, NamedTuple

FILE, LINK, FOLDER, OTHER = "file", "link", "folder", "other"
DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_UNREACHABLE_ERRNOS = frozenset({
    errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ENODEV, errno.ETIMEDOUT, errno.EHOSTDOWN,
    errno.ENXIO,
})  # fmt: skip
"""A disk or file server that does not answer: nothing is known about any file."""


class MergeFailed(Exception):
    """Nothing could be merged, or not all of it; another run goes on. ``code`` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Entry(NamedTuple):
    """What stands at a path.

    ``digest_or_target`` is a file's digest or a link's target. ``stat_data`` tells how the target's
    file was left: mode, mtime and ctime (ns).
    """

    kind: str
    mode: int = 0
    size: int = 0
    digest_or_target: str = ""
    stat_data: tuple[int, int, int] | None = None


class GitState(NamedTuple):
    """How a git folder is, apart from its objects.

    ``in_progress``: git is in the middle of a merge, say.
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
    """Return whether it is the disk that fails, and not a single file."""
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
    base. Folders are ``clear``ed when they are empty, and ``replace``d where nothing of the
    person's is in them.
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
    if mine is None:
        return NOTHING
    if mine == FOLDER:
        return CLEAR if base == FOLDER else KEEP
    return DROP if untouched else KEEP


def _action_if_folder(
    base: str | None, mine: str | None, *, untouched: bool, unchanged: bool
) -> str:
    if mine == FOLDER:
        return NOTHING
    if mine is None:  # a folder that the person removed comes back only for new files in it
        return NOTHING if base == FOLDER and not untouched else MAKE
    if untouched:
        return MAKE
    return KEEP if unchanged else BESIDE


def conflict_name(name: bytes, commit: str, number: int = 1) -> bytes:
    """Return the name for the repository's version of a file that the person changed, too.

    Notebooks keep their ending, without which Jupyter does not open them.
    """
    tail = b".from-" + commit[:7].encode() + (b"-%d" % number if number > 1 else b"")
    stem, ending = os.path.splitext(name)
    if ending != b".ipynb":
        stem, ending = name, b""
    return _truncate_name(stem, 255 - len(tail) - len(ending)) + tail + ending


def _truncate_name(name: bytes, most: int) -> bytes:
    """Return at most so many bytes of a name; no half of a letter, where it is UTF-8."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return name[:most]
    return name[:most].decode("utf-8", "ignore").encode()
