"""The way from a person's volume to a project's kept folder; runs in pods, by itself.

The volume is the person's, so anything may lie in it. Each part of the way is opened from the
one above it and no link is followed: nothing outside is filled, measured or deleted by a name
that somebody has put a link under. Neighbours: `settle` and `helper`, which go this way.

Standard library and Python 3.8 only, like all that runs in images of other people.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress

HOMES = (".bindery", "projects")
"""Below these of the volume, each project has a folder of its name."""
RECORDS = (".bindery", "records")
"""Below these, each has another one for what it was filled with."""

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o755
"""A node may reach a shared volume as nobody, and still has to find what it mounts."""


class Blocked(Exception):
    """Something that is no folder stands in the way, at this path below the volume."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def opened(volume: str, parts: Sequence[str], *, make: bool) -> int:
    """Return a descriptor of the folder at ``parts`` below ``volume``; to be closed.

    With ``make``, the folders that are missing are made. Raises `Blocked` where a link or a file
    stands in the way, and `OSError`.
    """
    return below(os.open(volume, _FLAGS & ~os.O_NOFOLLOW), parts, make=make)


def below(start: int, parts: Sequence[str], *, make: bool) -> int:
    """Open the way from an open folder on, which is closed."""
    here = start
    for depth, part in enumerate(parts, 1):
        try:
            step = _step(here, part, make)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Blocked("/".join(parts[:depth])) from None
            raise
        finally:
            os.close(here)
        here = step
    return here


def _step(folder: int, name: str, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, _MODE, dir_fd=folder)
    return os.open(name, _FLAGS, dir_fd=folder)
