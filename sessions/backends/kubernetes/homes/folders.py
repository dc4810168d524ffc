"""Open, measure and remove projects' kept folders in people's volumes, inside of pods.

The volume is the person's, so it may contain anything. Each part of the path is opened from the one
above it and no link is followed: nothing outside is filled, measured or deleted because somebody
has put a link there. Folders are measured and removed with ``du`` and ``rm``, which handle trees of
any depth. Neighbours: `prepare` and `helper`, which use it. Standard library and Python 3.8 only,
like everything that runs in other people's images.
"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

HOMES = (".bindery", "projects")
"""The folder of the volume that holds each project's folder, by name."""
RECORDS = (".bindery", "records")
"""The folder that holds, for each project, a record of what it was filled with."""

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = stat.S_IRUSR | stat.S_IXUSR
_MODE = 0o755
"""A node may access a shared volume as the user nobody, and still has to find what it mounts."""


class Blocked(Exception):
    """Something that is not a folder is in the way, at this path below the volume."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def open_path(volume: str, parts: Sequence[str], *, make: bool) -> int:
    """Return a descriptor of the folder at ``parts`` below ``volume``; the caller closes it.

    With ``make``, missing folders are created. Raises `Blocked` if a link or a file is in the way,
    and `OSError`.
    """
    return open_below(os.open(volume, _FLAGS & ~os.O_NOFOLLOW), parts, make=make)


def open_below(start: int, parts: Sequence[str], *, make: bool) -> int:
    """Return what `open_path` does, from the open folder ``start`` on, which is closed.

    Raises the same.
    """
    here = start
    for depth, part in enumerate(parts, 1):
        try:
            step = _open_part(here, part, make)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Blocked("/".join(parts[:depth])) from None
            raise
        finally:
            os.close(here)
        here = step
    return here


def _open_part(folder: int, name: str, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, _MODE, dir_fd=folder)
        _let_owner_in(folder, name)
    return os.open(name, _FLAGS, dir_fd=folder)


def _let_owner_in(folder: int, name: str) -> None:
    """Give a folder's owner back the right to read it, as ``chmod -R`` may have taken it away."""
    there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISDIR(there.st_mode) and there.st_mode & _OPEN != _OPEN:
        with suppress(OSError):  # it is somebody else's
            os.chmod(name, stat.S_IMODE(there.st_mode) | stat.S_IRWXU, dir_fd=folder)


_KILO = 1024


def size(folder: int, seconds: float) -> int | None:
    """Return the bytes that the folder takes on its disk, each hard link counted once.

    None if that cannot be found out within ``seconds``.
    """
    try:
        done = subprocess.run(
            ["du", "-sk", "."],
            cwd=_path(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
        )
        return int(done.stdout.split()[0]) * _KILO
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        return None


def largest_entries(
    volume: str, project: str, seconds: float, count: int = 5
) -> list[tuple[str, int]]:
    """Return path and bytes of what takes the most room in a volume, the largest first.

    These are the person's own files and folders, other projects' folders, and what is in the folder
    of ``project``, with paths that start with ``~``. What is not measured within ``seconds`` is
    left out.
    """
    places: tuple[tuple[str, tuple[str, ...], str], ...] = (
        ("", (), HOMES[0]),
        (f"{'/'.join(HOMES)}/", HOMES, project),
        ("~/", (*HOMES, project), ""),
    )
    found: list[tuple[str, int]] = []
    for start, parts, other in places:
        with suppress(Blocked, OSError):
            ends_at = time.monotonic() + seconds / len(places)
            sizes = _sizes(open_path(volume, parts, make=False), other, ends_at)
            found += [(start + name, bytes_) for name, bytes_ in sizes]
    return sorted(found, key=lambda each: -each[1])[:count]


def _sizes(folder: int, other: str, ends_at: float) -> Iterator[tuple[str, int]]:
    """Yield name and bytes of each entry but ``other``, until the time is over; close the folder.

    No link is followed.
    """
    try:
        for name in os.listdir(folder):
            if (seconds := ends_at - time.monotonic()) <= 0:
                return
            if name == other:
                continue
            with suppress(OSError):
                there = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISDIR(there.st_mode):
                    yield name, there.st_blocks * 512
                    continue
                inner = os.open(name, _FLAGS, dir_fd=folder)
                bytes_ = size(inner, seconds) or 0
                os.close(inner)
                yield name, bytes_
    finally:
        os.close(folder)


def remove(folder: int, name: str) -> None:
    """Remove the entry of this name in the folder: a folder with its content, or a link alone.

    Folders that shut their owner out are made accessible. Raises `OSError` if something stays.
    """
    path = f"{_path(folder)}/{name}"
    why = _run(folder, "rm", "-rf", "--", name)
    if os.path.lexists(path) and not os.path.islink(path):
        _run(folder, "chmod", "-R", "u+rwx", "--", name)
        why = _run(folder, "rm", "-rf", "--", name)
    if os.path.lexists(path):
        raise OSError(errno.EACCES, why or "it cannot be removed", name)


def _path(folder: int) -> str:
    """Return a path to the folder that works whatever its name has become."""
    return f"/proc/self/fd/{folder}"


def _run(folder: int, *words: str) -> str:
    """Run a program there; return the end of its error output."""
    done = subprocess.run(words, cwd=_path(folder), stderr=subprocess.PIPE)
    return done.stderr.decode("utf-8", "replace").strip()[-200:]
