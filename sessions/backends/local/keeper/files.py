"""What a keeper does to trees of files that strangers made: without following their links.

The programs of the system do the deep work: names and depths that a stranger chose exceed
what Python's own functions can take.
"""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path


def remove(folder: Path) -> None:
    """Remove the folder and all in it, also where a build took away the right to do so."""
    if not os.path.lexists(folder):
        return
    if subprocess.run(["rm", "-rf", "--", folder], capture_output=True).returncode:
        subprocess.run(["chmod", "-R", "u+rwX", "--", folder], capture_output=True)
        subprocess.run(["rm", "-rf", "--", folder], check=True, capture_output=True)


def make_readable(folder: Path) -> None:
    """Let everybody read what is there: other people's notebooks run under other uids."""
    subprocess.run(["chmod", "-R", "u+rwX,go+rX", "--", folder], check=True, capture_output=True)


def copy(source: Path, target: Path) -> None:
    """Copy the tree as it is; shares the data where the file system can.

    Raises `OSError`, with ENOSPC where the disk is full.
    """
    words = ["cp", "-dRT", "--preserve=mode,timestamps,links", "--reflink=auto"]
    done = subprocess.run(
        [*words, "--", source, target],
        capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if done.returncode:
        is_full = os.strerror(errno.ENOSPC) in done.stderr
        raise OSError(errno.ENOSPC if is_full else errno.EIO, done.stderr[-500:])


def rename_unless_there(draft: Path, target: Path) -> None:
    """Give a finished folder its name; where somebody else was quicker, theirs stays."""
    try:
        os.rename(draft, target)
    except OSError:
        if not target.exists():
            raise
        remove(draft)


def first_link_out(folder: Path) -> str:
    """The first symbolic link (by name) that leads out of the folder; git's own are left out."""
    inside = os.path.realpath(folder)
    todo = [inside]
    while todo:
        for entry in sorted(os.scandir(todo.pop()), key=lambda entry: entry.name):
            if entry.is_symlink():
                if not _within(os.path.realpath(entry.path), inside):
                    return os.path.relpath(entry.path, inside)
            elif entry.is_dir() and entry.name != ".git":
                todo.append(entry.path)
    return ""


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
