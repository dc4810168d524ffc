"""The content of files: read by blocks in which zeros cost nothing, copied, and put on the disk."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator

from .rule import AWAY, NO_ROOM

_BLOCK = 1 << 17
_ZEROS = bytes(_BLOCK)
_CLONE = 0x40049409  # FICLONE


def blocks(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """Yield position and content of each block that does not consist of zeros."""
    at, size = 0, os.fstat(descriptor).st_size
    while at < size:
        if size > _BLOCK:
            at = _data(descriptor, at, size) // _BLOCK * _BLOCK
        block = _block(descriptor, at)
        if block != _ZEROS[: len(block)]:
            yield at, block
        at += _BLOCK


def _data(descriptor: int, at: int, size: int) -> int:
    """Return where the next data of a file with holes lies; its end where there is none."""
    try:
        return max(at, os.lseek(descriptor, at, os.SEEK_DATA))
    except OSError as error:
        return size if error.errno == errno.ENXIO else at


def _block(descriptor: int, at: int) -> bytes:
    block = os.pread(descriptor, _BLOCK, at)
    while 0 < len(block) < _BLOCK:
        more = os.pread(descriptor, _BLOCK - len(block), at + len(block))
        if not more:
            break
        block += more
    return block


def digest_of(descriptor: int) -> str:
    """Return a SHA-256 of the content, in which zeros cost nothing, whether holes or not."""
    found = hashlib.sha256()
    for at, block in blocks(descriptor):
        found.update(struct.pack(">Q", at))
        found.update(block)
    found.update(struct.pack(">Q", os.fstat(descriptor).st_size))
    return found.hexdigest()


def copy_content(source: int, target: int) -> None:
    """Copy the content; shares the data where the file system can, and keeps holes."""
    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError as error:
        if error.errno in NO_ROOM | AWAY:
            raise
    else:
        return
    for at, block in blocks(source):
        written = 0
        while written < len(block):
            written += os.pwrite(target, block[written:], at + written)
    os.ftruncate(target, os.fstat(source).st_size)


def sync_disk(descriptor: int) -> None:
    """Have the whole file system on its disk. Raises `OSError` where it does not take it."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
