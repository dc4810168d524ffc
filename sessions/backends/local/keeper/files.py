"""What a keeper does to trees of files that strangers made: without following their links.

The programs of the system do the deep work: names and depths that a stranger chose exceed
what Python's own functions can take.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from . import disks


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

    Raises `OSError`, with the disk's own error where that is why.
    """
    words = ["cp", "-dRT", "--preserve=mode,timestamps,links", "--reflink=auto"]
    done = subprocess.run(
        [*words, "--", source, target],
        capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if done.returncode:
        raise OSError(disks.number_in(done.stderr), done.stderr[-500:])


def rename_unless_there(draft: Path, target: Path) -> None:
    """Give a finished folder its name; where somebody else was quicker, theirs stays."""
    try:
        os.rename(draft, target)
    except OSError:
        if not target.exists():
            raise
        remove(draft)
    sync_folder(target.parent)


def put(
    path: Path, text: str, mode: int = 0o644, owner: int | None = None, beside: Path | None = None
) -> None:
    """Give a file this content; whoever reads it, or finds it after a power cut, sees the old one
    or the new one. ``owner`` is whose it becomes; ``beside`` where it is written first, if not in
    the same folder. Raises `OSError`: then the old one stands."""
    draft = (beside or path.parent) / f".{path.name}-{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with open(os.open(draft, flags, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), owner, owner)
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have on the disk which names are in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
