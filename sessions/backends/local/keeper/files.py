"""What a keeper does to trees of files that strangers made: without following their links.

The programs of the system do the deep work: names and depths that a stranger chose exceed
what Python's own functions can take. They end with the keeper: the next one works in the same
folder.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from . import disks

_WITH_US = ("setpriv", "--pdeathsig", "KILL")


def remove(folder: Path) -> None:
    """Remove the folder and all in it, also where a build took away the right to do so."""
    if not os.path.lexists(folder):
        return
    if _run("rm", "-rf", "--", folder).returncode:
        _run("chmod", "-R", "u+rwX", "--", folder)
        _run("rm", "-rf", "--", folder).check_returncode()


def make_readable(folder: Path) -> None:
    """Let everybody read what is there: other people's notebooks run under other uids."""
    _run("chmod", "-R", "u+rwX,go+rX", "--", folder).check_returncode()


def _run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*_WITH_US, *words], capture_output=True)


async def copy(source: Path, target: Path) -> None:
    """Copy the tree as it is; shares the data where the file system can.

    Nothing is copied any more once this is cancelled. Raises `OSError`, with the disk's own error
    where that is why.
    """
    words = ("cp", "-dRT", "--preserve=mode,timestamps,links", "--reflink=auto")
    copying = await asyncio.create_subprocess_exec(
        *_WITH_US, *words, "--", source, target,
        stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    try:
        said = (await copying.communicate())[1].decode(errors="replace")
    finally:
        if copying.returncode is None:
            copying.kill()
            await copying.wait()
    if copying.returncode:
        raise OSError(disks.number_in(said), said[-500:])


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
