"""Reach folders of strangers by descriptors: no link is followed, no path is too long.

The content of files is read by blocks in which zeros cost nothing, copied, and put on the disk.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import stat
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .rule import DISK_FULL_ERRNOS, DISK_UNREACHABLE_ERRNOS, FILE, FOLDER, LINK, OTHER

_BLOCK = 1 << 17
_ZEROS = bytes(_BLOCK)
_FICLONE = 0x40049409  # FICLONE


def blocks(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """Yield position (bytes) and content of each block that does not consist of zeros.

    A block has 128 KiB, the last one what is left of the file. Raises `OSError`.
    """
    at, size = 0, os.fstat(descriptor).st_size
    while at < size:
        if size > _BLOCK:
            at = _next_data(descriptor, at, size) // _BLOCK * _BLOCK
        block = _read_block(descriptor, at)
        if block != _ZEROS[: len(block)]:
            yield at, block
        at += _BLOCK


def _next_data(descriptor: int, at: int, size: int) -> int:
    """Return the position of the next data from ``at`` on; the file's size if there is none."""
    try:
        return max(at, os.lseek(descriptor, at, os.SEEK_DATA))
    except OSError as error:
        return size if error.errno == errno.ENXIO else at


def _read_block(descriptor: int, at: int) -> bytes:
    """Return the block at the position, whole unless the file ends in it."""
    block = os.pread(descriptor, _BLOCK, at)
    while 0 < len(block) < _BLOCK:
        more = os.pread(descriptor, _BLOCK - len(block), at + len(block))
        if not more:
            break
        block += more
    return block


def digest_of(descriptor: int) -> str:
    """Return a SHA-256 (hex) of the content, in which zeros cost nothing, whether holes or not.

    Raises `OSError`.
    """
    found = hashlib.sha256()
    for at, block in blocks(descriptor):
        found.update(struct.pack(">Q", at))
        found.update(block)
    found.update(struct.pack(">Q", os.fstat(descriptor).st_size))
    return found.hexdigest()


def copy_content(source: int, target: int) -> None:
    """Copy all content; share the data where the file system can, and keep holes.

    Both are descriptors of files, ``target`` is empty. Raises `OSError` if it has no room.
    """
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in DISK_FULL_ERRNOS | DISK_UNREACHABLE_ERRNOS:
            raise
    else:
        return
    for at, block in blocks(source):
        written = 0
        while written < len(block):
            written += os.pwrite(target, block[written:], at + written)
    os.ftruncate(target, os.fstat(source).st_size)


def sync_disk(descriptor: int) -> None:
    """Write everything in the descriptor's file system to its disk. Raises `OSError`."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_OPEN_FOLDERS = 64
_MAX_READ_BYTES = 50_000_000
_PERMISSION_BITS = 0o777


class Tree:
    """A folder and all below it, reached by descriptors from its root; no link is followed."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._open: OrderedDict[bytes, int] = OrderedDict()

    def folder(self, path: bytes) -> int:
        """Return a descriptor of the folder, valid until some others were asked for.

        Raises `OSError` if it is not there, or no folder.
        """
        missing = []
        while path and path not in self._open:
            missing.append(path)
            path = os.path.dirname(path)
        at = self._open[path] if path else self.root
        if path:
            self._open.move_to_end(path)
        for each in reversed(missing):
            at = open_folder(os.path.basename(each), at)
            self._open[each] = at
            if len(self._open) > _OPEN_FOLDERS:
                os.close(self._open.popitem(last=False)[1])
        return at

    def locate(self, path: bytes) -> tuple[int, bytes]:
        """Return the descriptor of the folder that holds the path, and the last name.

        Raises `OSError` as `folder`.
        """
        return self.folder(os.path.dirname(path)), os.path.basename(path)

    def lstat(self, path: bytes) -> os.stat_result | None:
        """Return what stands at the path, None where nothing does.

        Raises `OSError` if the disk, or somebody's permissions, keep it from being known.
        """
        try:
            folder, name = self.locate(path)
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                return None
            raise

    def walk(self, top: bytes = b"") -> Iterator[tuple[bytes, os.stat_result | None]]:
        """Yield everything below ``top``, folders before what is in them.

        The second of each pair is None where a folder cannot be read.
        """
        todo = [top]
        while todo:
            folder = todo.pop()
            try:
                found = self._entries(folder)
            except PermissionError:
                yield folder, None
                continue
            for name, there in found:
                path = folder + b"/" + name if folder else name
                yield path, there
                if stat.S_ISDIR(there.st_mode):
                    todo.append(path)

    def _entries(self, folder: bytes) -> list[tuple[bytes, os.stat_result]]:
        descriptor = self.folder(folder)
        found = []
        for name in sorted(map(os.fsencode, os.listdir(descriptor))):
            with suppress(FileNotFoundError):
                found.append((name, os.stat(name, dir_fd=descriptor, follow_symlinks=False)))
        return found

    def open(self, path: bytes) -> int:
        """Return a descriptor of the file, for reading. Raises `OSError` if it is anything else."""
        folder, name = self.locate(path)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a file")
        return descriptor

    def digest(self, path: bytes) -> str:
        """Return the digest of a file, as `digest_of`. Raises `OSError`."""
        descriptor = self.open(path)
        try:
            return digest_of(descriptor)
        finally:
            os.close(descriptor)

    def readlink(self, path: bytes) -> str:
        """Return the target of a link. Raises `OSError` where there is none."""
        folder, name = self.locate(path)
        return as_text(os.readlink(name, dir_fd=folder))

    def read(self, path: bytes, max_bytes: int = _MAX_READ_BYTES) -> bytes | None:
        """Return the content of a small file; None where there is none, or it is too large."""
        try:
            descriptor = self.open(path)
        except OSError as error:
            if error.errno in DISK_UNREACHABLE_ERRNOS:
                raise
            return None
        with open(descriptor, "rb") as file:
            content = file.read(max_bytes + 1)
        return content if len(content) <= max_bytes else None

    def close_folders(self) -> None:
        """Close the folders that are held open, because folders have moved."""
        while self._open:
            os.close(self._open.popitem()[1])

    def remove(self, top: bytes) -> None:
        """Remove a folder of ours and all in it. Raises `OSError`."""
        folders = [top]
        for path, there in self.walk(top):
            if there and stat.S_ISDIR(there.st_mode):
                folders.append(path)
            elif there:
                self.change(path, lambda folder, name: os.unlink(name, dir_fd=folder))
        self.close_folders()
        for path in reversed(folders):
            self.change(path, lambda folder, name: os.rmdir(name, dir_fd=folder))

    def change(self, path: bytes, action: Callable[[int, bytes], None]) -> None:
        """Do something to a name in a folder, also where its owner took away the right to.

        ``action`` gets the folder's descriptor and the name. Raises what it raises.
        """
        folder, name = self.locate(path)
        try:
            action(folder, name)
        except PermissionError:
            mode = stat.S_IMODE(os.fstat(folder).st_mode)
            if mode & stat.S_IRWXU == stat.S_IRWXU:
                raise
            os.fchmod(folder, mode | stat.S_IRWXU)
            try:
                action(folder, name)
            finally:
                os.fchmod(folder, mode)


def open_folder(name: bytes | str, at: int | None = None) -> int:
    """Return a descriptor of the folder ``name``, relative to the descriptor ``at``.

    Raises `OSError` where it is anything else, such as a link.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=at)


def as_text(name: bytes) -> str:
    """Return a name as text; bytes that are not UTF-8 survive the way back by `as_bytes`."""
    return name.decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    """Return the name that `as_text` has turned into this text."""
    return text.encode("utf-8", "surrogateescape")


def kind_of(there: os.stat_result | None) -> str | None:
    """Return FILE, FOLDER, LINK or OTHER; None for nothing."""
    if there is None:
        return None
    for is_one, kind in ((stat.S_ISREG, FILE), (stat.S_ISDIR, FOLDER), (stat.S_ISLNK, LINK)):
        if is_one(there.st_mode):
            return kind
    return OTHER


def permissions_of(there: os.stat_result) -> int:
    """Return the nine bits of permission."""
    return there.st_mode & _PERMISSION_BITS


def stat_data_of(there: os.stat_result) -> tuple[int, int, int]:
    """Return permissions, mtime and ctime (ns), by which a change is noticed."""
    return permissions_of(there), there.st_mtime_ns, there.st_ctime_ns


def is_unmodified(now: os.stat_result | None, before: os.stat_result | None) -> bool:
    """Return whether nobody changed the file since it was looked at.

    A folder only has to be one still. A file with several names has a new ctime when we replace
    another of them.
    """
    if now is None or before is None or kind_of(now) != kind_of(before):
        return now is before
    if stat.S_ISDIR(now.st_mode):
        return True
    fields = ["st_ino", "st_mode", "st_size", "st_mtime_ns"]
    fields += ["st_ctime_ns"] if before.st_nlink == 1 else []
    return all(getattr(now, field) == getattr(before, field) for field in fields)


@contextmanager
def opened_folder(name: bytes | str, at: int | None = None) -> Iterator[int]:
    """Open the folder for the block, as `open_folder`, and yield its descriptor."""
    descriptor = open_folder(name, at)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def set_permissions(folder: int, name: bytes, *, mode: int) -> None:
    """Set the mode of a folder; a link is not followed."""
    with opened_folder(name, folder) as there:
        os.fchmod(there, mode)
