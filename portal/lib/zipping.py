"""Write a ZIP archive piece by piece, while its files are still being read.

Python's own writer keeps an object for each file until the end, 500 bytes or more. Here it is the
compressed entry of the archive's directory, about 20 bytes, so that a pod with little memory can
archive a million files. See https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections
4.3 and 4.5.3.

Standard library only, because pods run this text as well (`sessions.backends.kubernetes.homes`).
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterable, Iterator

File = tuple[str, Iterable[str | bytes]]
"""A file's name, and its content in pieces."""
CHUNK_BYTES = 64 * 1024
"""Bytes to collect before they are handed on."""
MAX_FILES = 1_000_000
REST = "NOT EVERYTHING IS HERE.txt"
_REST_TEXT = (
    "This archive has {:,} files, and there are more: download the folders below one by one.\n"
)
_MAX_NAME_BYTES = 0xFFFF
_WIDE = 0xFFFFFFFF
"""Stands for a number that does not fit, and is in a ZIP64 field instead."""
_MANY = 0xFFFF
_VERSION = 45
_FLAGS = 0x808
"""Checksum and sizes come after the content, and names are UTF-8."""
_UNIX, _MODE = 3 << 8, 0o100600 << 16
_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_EXTRA = struct.pack("<2H2Q", 1, 16, 0, 0)
_AFTER = struct.Struct("<4sI2Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_WIDE_END = struct.Struct("<4sQ2H2I4Q4sIQI")
_END = struct.Struct("<4s4H2IH")


def zip_pieces(files: Iterable[File], most: int = MAX_FILES) -> Iterator[bytes]:
    """Yield the archive's bytes, in order, in pieces of about `CHUNK_BYTES`.

    After ``most`` files, there is only one that says so. A name that is too long for an archive is
    left out, with its file.
    """
    writer, waiting = _Writer(), bytearray()
    for part in writer.write_all(files, most):
        waiting += part
        if len(waiting) > CHUNK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


class _Writer:
    """One archive, with its directory in the making."""

    def __init__(self) -> None:
        self._written = 0
        self._count = 0
        self._size = 0
        self._packer = zlib.compressobj(1)
        self._directory = bytearray()

    def write_all(self, files: Iterable[File], most: int) -> Iterator[bytes]:
        for name, pieces in files:
            if self._count >= most:
                yield from self._count_bytes(self._file(REST.encode(), [_REST_TEXT.format(most)]))
                break
            encoded = name.encode("utf-8", "replace")
            if len(encoded) <= _MAX_NAME_BYTES:
                yield from self._count_bytes(self._file(encoded, pieces))
        self._directory += self._packer.flush()
        yield from _unpacked(self._directory)
        yield self._end()

    def _count_bytes(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        for part in parts:
            self._written += len(part)
            yield part

    def _file(self, name: bytes, pieces: Iterable[str | bytes]) -> Iterator[bytes]:
        """Yield a file: a head, the compressed content, and its sizes."""
        began, moment = self._written, _dos_time()
        common = (_VERSION, _FLAGS, zlib.DEFLATED, *moment)
        lengths = (len(name), len(_LOCAL_EXTRA))
        head = _LOCAL.pack(b"PK\3\4", *common, 0, _WIDE, _WIDE, *lengths)
        yield head + name + _LOCAL_EXTRA
        packer, checksum, size, packed_size = _packer(), 0, 0, 0
        for piece in pieces:
            data = piece.encode() if isinstance(piece, str) else piece
            checksum, size = zlib.crc32(data, checksum), size + len(data)
            if packed := packer.compress(data):
                packed_size += len(packed)
                yield packed
        packed = packer.flush()
        packed_size += len(packed)
        yield packed + _AFTER.pack(b"PK\7\x08", checksum, packed_size, size)
        self._remember(name, common, checksum, (size, packed_size, began))

    def _remember(
        self, name: bytes, common: tuple[int, ...], checksum: int, numbers: tuple[int, int, int]
    ) -> None:
        """Add the file's entry to the directory."""
        size, packed_size, began = (min(number, _WIDE) for number in numbers)
        wide = [number for number in numbers if number >= _WIDE]
        extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        head = (b"PK\1\2", _UNIX | _VERSION, *common, checksum, packed_size, size)
        entry = _CENTRAL.pack(*head, len(name), len(extra), 0, 0, 0, _MODE, began) + name + extra
        self._directory += self._packer.compress(entry)
        self._size += len(entry)
        self._count += 1

    def _end(self) -> bytes:
        """Return what follows the directory, and says where it is."""
        count, size, start = self._count, self._size, self._written
        wide = b""
        if count >= _MANY or size >= _WIDE or start >= _WIDE:
            place = (0, 0, count, count, size, start)
            locator = (b"PK\6\7", 0, start + size, 1)
            wide = _WIDE_END.pack(b"PK\6\6", 44, _UNIX | _VERSION, _VERSION, *place, *locator)
        count = min(count, _MANY)
        size, start = min(size, _WIDE), min(start, _WIDE)
        return wide + _END.pack(b"PK\5\6", 0, 0, count, count, size, start, 0)


def _packer() -> zlib._Compress:
    return zlib.compressobj(-1, zlib.DEFLATED, -15)


def _dos_time() -> tuple[int, int]:
    """Return the present time and date as an archive has them: seconds in twos, since 1980."""
    year, month, day, hour, minute, second = time.localtime()[:6]
    return hour << 11 | minute << 5 | second // 2, max(0, year - 1980) << 9 | month << 5 | day


def _unpacked(packed: bytearray) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for start in range(0, len(packed), CHUNK_BYTES):
        data = bytes(packed[start : start + CHUNK_BYTES])
        while data:
            yield unpacker.decompress(data, CHUNK_BYTES)
            data = unpacker.unconsumed_tail
    yield unpacker.flush()
