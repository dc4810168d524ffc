"""Archives are written while their files are read, with little memory for each."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterable
from zipfile import ZipFile

import pytest

from portal.lib.zipping import CHUNK_BYTES, REST, zip_pieces

FEW, MANY = 1000, 5000


def archive(pieces: Iterable[bytes]) -> ZipFile:
    packed = ZipFile(io.BytesIO(b"".join(pieces)))
    assert packed.testzip() is None
    return packed


def test_names_and_contents_are_what_they_were():
    large = ["x" * CHUNK_BYTES, "y\n" * CHUNK_BYTES]
    found = archive(zip_pieces([("ä/ü.txt", ["ö", b"\xff"]), ("empty", []), ("large", large)]))
    assert [each.filename for each in found.infolist()] == ["ä/ü.txt", "empty", "large"]
    assert found.read("ä/ü.txt") == "ö".encode() + b"\xff"
    assert found.read("empty") == b""
    assert found.read("large") == "".join(large).encode()


def test_many_files_take_little_memory():
    tracemalloc.start()
    size = sum(len(piece) for piece in zip_pieces((f"d/{n}.txt", [b"1"]) for n in range(MANY)))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 100 * MANY
    assert peak < 1_000_000  # Python's own writer: 3,500,000


@pytest.mark.long
def test_more_files_than_an_old_archive_can_count_are_there():
    many = 0xFFFF + 10
    names = archive(zip_pieces((str(n), []) for n in range(many))).namelist()
    assert (len(names), names[-1]) == (many, str(many - 1))


def test_an_archive_that_is_cut_says_so_and_a_name_without_end_is_left_out():
    some = [("n" * 70_000, ["lost"]), *((str(n), ["."]) for n in range(FEW + 5))]
    found = archive(zip_pieces(some, most=FEW))
    assert found.namelist() == [*(str(n) for n in range(FEW)), REST]
    assert "This archive has 1,000 files, and there are more" in found.read(REST).decode()
