"""Find out whether a base of environments was damaged after it was made, and set it aside if so.

A file that a failing disk, a full one or an operator has emptied, cut or removed would make every
later build fail, and each would blame its repository. So a base has a list of its files with their
sizes and times, and whatever fails first asks here. Launches that work ask for nothing.

The damaged base keeps its files for the staff, under another name; the next build makes a new one.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from . import files
from .log import Log
from .status import JobFailed, acquire_lock

DAMAGED = JobFailed(
    "build.base-damaged",
    "The files of JupyterLab that all environments here share were damaged on the portal's disk. "
    "That is not the repository's fault. The next build installs them anew; start it again, and "
    "tell the staff if this happens again.",
)
FOUND = "damaged-files.txt"
"""The file in a base that was set aside which names what was damaged."""
_SUFFIX = ".damaged"
_MAX_FOUND = 100
_LOCK_PAUSE = 0.1
_Facts = tuple[int, int]


def record(draft: Path, kept: Path) -> None:
    """Store what is in ``draft``, which is about to become the base ``kept``. Raises `OSError`."""
    files.write_atomically(_list_file(kept), json.dumps(dict(_walk(str(draft)))))


def is_usable(kept: Path) -> bool:
    """Return whether builds can begin with this base: an older portal's has no list of files."""
    return files.is_whole(kept) and _list_file(kept).exists()


@asynccontextmanager
async def lock(kept: Path, log: Log) -> AsyncIterator[None]:
    """Hold the lock of a base that is to be made; wait while another keeper makes it."""
    path = kept.with_name(f".{kept.name}.lock")
    if (held := acquire_lock(path)) is None:
        log.write_line("── Waiting for JupyterLab, which is being installed once for all")
        while (held := acquire_lock(path)) is None:
            await asyncio.sleep(_LOCK_PAUSE)
    try:
        yield
    finally:
        os.close(held)


def set_aside_if_damaged(kept: Path, since: float) -> bool:
    """Return whether the base ``kept`` was damaged, by now or when it was used at ``since``.

    It is set aside if that is not done yet. Raises `OSError`.
    """
    aside = kept.with_name(f".{kept.name}{_SUFFIX}")
    if kept.is_dir() and (found := _damages(kept)):
        files.remove(aside)
        with suppress(FileNotFoundError):  # another process does the same
            os.rename(kept, aside)
            (aside / FOUND).write_text("".join(f"{each}\n" for each in found[:_MAX_FOUND]))
    try:
        return (aside / FOUND).stat().st_mtime >= since
    except FileNotFoundError:
        return False


def damaged_bases(cache: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each base that was set aside, with the names of its damaged files."""
    for aside in sorted(cache.glob(f".base-*{_SUFFIX}")):
        with suppress(OSError, ValueError):
            yield aside, files.read_own(aside / FOUND).splitlines()


def _list_file(kept: Path) -> Path:
    return kept.with_name(f".{kept.name}.files")


def _damages(kept: Path) -> list[str]:
    """Return the files that are missing or have changed, as sentences' ends."""
    try:
        known: dict[str, list[int]] = json.loads(files.read_own(_list_file(kept)))
        there = dict(_walk(str(kept)))
        return [_damage(name, facts, there.get(name)) for name, facts in known.items()
                if list(there.get(name, ())) != facts]  # fmt: skip
    except (FileNotFoundError, ValueError, AttributeError):
        return ["the list of its files is missing"]


def _damage(name: str, was: list[int], now: _Facts | None) -> str:
    shown = ascii(name)[1:-1]
    if now is None:
        return f"{shown} is missing"
    return f"{shown} has {now[0]} bytes instead of {was[0]}, or another time"


def _walk(folder: str, below: str = "") -> Iterator[tuple[str, _Facts]]:
    """Yield path, size and time of everything in a base that is not a folder.

    Times are whole seconds: what restores a data folder may keep no more.
    """
    with os.scandir(f"{folder}/{below}") as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder, f"{name}/")
            elif name != files.UNSYNCED_MARK:
                found = entry.stat(follow_symlinks=False)
                is_file = stat.S_ISREG(found.st_mode)
                yield name, (found.st_size if is_file else 0, int(found.st_mtime))
