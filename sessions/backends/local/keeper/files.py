"""Handle file trees that untrusted code made, without following their links.

System programs do the deep work: names and depths chosen by others exceed what Python's own
functions can take. They end with the keeper: the next one works in the same folder.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from . import disks

_WITH_US = ("setpriv", "--pdeathsig", "KILL")


def remove(folder: Path) -> None:
    """Remove the folder and everything in it, even where a build took away the right to do so."""
    if not os.path.lexists(folder):
        return
    if _run("rm", "-rf", "--", folder).returncode:
        _run("chmod", "-R", "u+rwX", "--", folder)
        _run("rm", "-rf", "--", folder).check_returncode()


def make_readable(folder: Path) -> None:
    """Let everybody read the tree: other people's notebooks run under other uids."""
    _run("chmod", "-R", "u+rwX,go+rX", "--", folder).check_returncode()


def _run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*_WITH_US, *words], capture_output=True)


async def copy(source: Path, target: Path) -> None:
    """Copy the tree as it is; shares the data if the file system can.

    Copying stops when this is cancelled. Raises `OSError`, with the disk's own error if that is the
    reason.
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
    """Give a finished folder its name; if somebody else was faster, theirs stays."""
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
    """Replace a file's content atomically.

    Readers see the old or the new content, even after a power cut. ``owner`` becomes the file's
    owner; the draft is written to ``beside``, by default the same folder. Raises `OSError`: then
    the old file stays.
    """
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
    """Sync a folder's entries."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def first_link_out(folder: Path) -> str:
    """Return the first symbolic link (by name) that leads out of the folder, except in ``.git``."""
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
