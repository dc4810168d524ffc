"""Give an environment the files of its base as hard links, which no build can change.

An environment begins with about 15,000 files that are the same for everybody. Linking them takes a
tenth of the time of copying, and no room on the disk. Linked files belong to root, so the kernel
lets no build write to them or change their mode. A build owns the folders, so it can replace or
remove a file in its own environment, as installers do. Files that people edit or that programs lock
are copied all the same (`_LINKED`).

Linux lets a user link only what they own or may write to, and only root gives files away. So the
keeper of a portal that runs as root starts a process that keeps these two privileges and gives up
all others. It runs no other program. The portal of an ordinary user has no such process and copies.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import socket
import stat
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from . import privileges
from .files import copy, error_reason, remove

_LINKED = ("lib", "share/jupyter/lab/static")
"""Folders whose files are linked. The others hold settings, scripts and the lock of installers."""
_MAX_MESSAGE = 16_384
_WRITABLE_BY_OTHERS = 0o022


class Linker:
    """The keeper's side: asks its process ``pid`` through the socket."""

    def __init__(self, pid: int, client: socket.socket) -> None:
        self._pid = pid
        self._client = client

    async def link(self, source: Path, target: Path) -> None:
        """Make the folder ``target`` a duplicate of the tree ``source``, with links to its files.

        The files of both belong to root afterwards. Raises `OSError`: then ``target`` is
        unfinished. When this is cancelled, the process has ended and nothing is linked any more.
        """
        loop = asyncio.get_running_loop()
        self._client.setblocking(False)
        try:
            await loop.sock_sendall(self._client, json.dumps([str(source), str(target)]).encode())
            reply = await loop.sock_recv(self._client, _MAX_MESSAGE)
        except BaseException:
            self.end()
            raise
        if not reply:
            raise OSError("The process that links files has ended.")
        number, words = json.loads(reply)
        if number:
            raise OSError(number, words)

    def end(self) -> None:
        """End the process; before anything of a stranger's runs, it is no longer needed."""
        self._client.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)


async def duplicate(linker: Linker | None, source: Path, target: Path) -> None:
    """Give the folder ``target`` what is in ``source``, so that no build can change it in both.

    Files are linked if there is a linker and the file system allows it, and copied otherwise.
    Raises `OSError`.
    """
    if linker:
        try:
            await linker.link(source, target)
        except OSError as error:
            if error_reason(error.errno):
                raise
            remove(target)  # it is on another disk, or the files have too many links
        else:
            return
    await copy(source, target)


def start(uid: int) -> Linker | None:
    """Start the process if this one is root, before it gives that up for ``uid``."""
    if os.geteuid() != 0:
        return None
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if not (pid := os.fork()):
        _run(server, uid)
    server.close()
    return Linker(pid, client)


def _run(server: socket.socket, uid: int) -> NoReturn:
    try:
        _close_all_but(server)  # above all the lock, which is the keeper's
        privileges.drop(uid, keep=(privileges.CAP_CHOWN, privileges.CAP_FOWNER))
        privileges.end_with_parent()
        _serve(server)
    except BaseException:  # noqa: BLE001  (nothing of the keeper may run here)
        traceback.print_exc()
    finally:
        os._exit(0)


def _close_all_but(kept: socket.socket) -> None:
    os.closerange(3, kept.fileno())
    os.closerange(kept.fileno() + 1, os.sysconf("SC_OPEN_MAX"))


def _serve(server: socket.socket) -> None:
    """Do what is asked, until the keeper has ended."""
    while message := server.recv(_MAX_MESSAGE):
        source, target = json.loads(message)
        try:
            link_tree(Path(source), Path(target))
            reply: tuple[int, str] = (0, "")
        except OSError as error:
            reply = (error.errno or errno.EIO, f"{error.strerror}: {error.filename}")
        server.sendall(json.dumps(reply).encode())


def link_tree(source: Path, target: Path) -> None:
    """Duplicate a tree as `Linker.link` does. Raises `OSError`.

    No stranger's code may have write access to either tree meanwhile.
    """
    target.mkdir(exist_ok=True)
    _fill(source, target, "")


def _fill(source: Path, target: Path, below: str) -> None:
    """Fill one folder; ``below`` is its path in the tree."""
    is_linked = any(f"{below}/".startswith(f"{top}/") for top in _LINKED)
    with os.scandir(source) as entries:
        for entry in entries:
            place = target / entry.name
            if entry.is_symlink():
                place.symlink_to(os.readlink(entry.path))
            elif entry.is_dir():
                place.mkdir()
                _fill(Path(entry.path), place, f"{below}/{entry.name}".lstrip("/"))
            elif is_linked:
                _give_to_root(entry)
                os.link(entry.path, place, follow_symlinks=False)
            else:
                shutil.copy2(entry.path, place)
    shutil.copystat(source, target)


def _give_to_root(entry: os.DirEntry[str]) -> None:
    """Take a file away from builds; everybody may read it."""
    found = entry.stat(follow_symlinks=False)
    if found.st_uid == 0:
        return
    mode = stat.S_IMODE(found.st_mode) & ~_WRITABLE_BY_OTHERS | 0o444
    os.chmod(entry.path, mode)
    os.chown(entry.path, 0, 0, follow_symlinks=False)
