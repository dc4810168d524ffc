"""Values of a merge: what stands at a path, how a git folder is, what a record says."""

from __future__ import annotations

import errno
from typing import Any, NamedTuple

FILE, LINK, FOLDER, OTHER = "file", "link", "folder", "other"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
AWAY = frozenset({errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ENODEV, errno.ETIMEDOUT,
                  errno.EHOSTDOWN, errno.ENXIO})  # fmt: skip
"""A disk or file server that does not answer: nothing can be said of any file."""


class Failed(Exception):
    """Nothing could be merged, or not all of it; another run goes on. ``code`` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Entry(NamedTuple):
    """What stands at a path: ``mark`` is a file's digest or a link's target. ``seen`` tells how the
    target's file was left: mode, mtime and ctime (ns)."""

    kind: str
    mode: int = 0
    size: int = 0
    mark: str = ""
    seen: tuple[int, int, int] | None = None


class Git(NamedTuple):
    """How a git folder is, apart from its objects; ``busy``: in the middle of a merge, say."""

    head: str
    refs: dict[str, str]
    staged: str
    busy: bool = False


class State(NamedTuple):
    """A record: which commit the target has, every path of the repository, its git folders."""

    commit: str = ""
    entries: dict[bytes, Entry] = {}  # noqa: RUF012  (never written to)
    git: dict[bytes, Git] = {}  # noqa: RUF012
    report: dict[str, Any] = {}  # noqa: RUF012
    staging: str = ""


def is_general(error: OSError) -> bool:
    """Return whether it is the disk that fails, and not a single file."""
    return error.errno in NO_ROOM | AWAY | {errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
