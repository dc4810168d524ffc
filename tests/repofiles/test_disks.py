"""Disks that are full, read-only, or several: nothing is left half written, and it is reported."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.repofiles.merge import MergeFailed, main, merge, sync_target
from tests.repofiles.folders import BESIDE, FIRST, SECOND, Sides, write
from tests.tightdisk import TightDisk, tight_disk

WAS = {"a": b"1" * 50_000, "b": b"1" * 50_000, "gone": b"1", "to-folder": b"1"}
MINE = {**WAS, "b": b"mine" * 10_000}
THEIRS = {"a": b"2" * 50_000, "b": b"2" * 50_000, "to-folder": {"c": b"2" * 50_000}}
AFTER = {**THEIRS, "b": MINE["b"], f"b{BESIDE}": THEIRS["b"]}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[TightDisk]:
    (tmp_path / "disk").mkdir()
    with tight_disk(tmp_path / "disk", 4) as disk:
        yield disk


@pytest.fixture
def sides(tmp_path: Path, disk: TightDisk) -> Sides:
    """Sides with the repository on another disk than the person's folder and its record."""
    sides = Sides(disk.seen)
    sides.built = tmp_path / "built"
    sides.merge(WAS, FIRST)
    write(sides.mine / "b", MINE["b"])
    write(sides.built, THEIRS)
    return sides


def test_a_merge_on_a_full_disk_changes_nothing(sides: Sides, disk: TightDisk):
    disk.fill()
    with pytest.raises(MergeFailed) as failed:
        sides.again()
    assert failed.value.code == "merge.full"
    assert sides.has() == MINE
    disk.make_room()
    sides.again()
    assert sides.has() == AFTER
    assert sorted(os.listdir(disk.seen)) == ["mine", "record", "record.lock"]


def test_a_merge_on_a_nearly_full_disk_is_all_or_nothing(sides: Sides, disk: TightDisk):
    for room in range(0, 260_000, 4096):
        disk.fill()
        with (disk.seen / ".filler").open("r+b") as filler:
            filler.truncate(max(0, filler.seek(0, os.SEEK_END) - room))
        try:
            sides.again()
        except MergeFailed as failed:
            assert failed.code == "merge.full"  # noqa: PT017  (of many tries, most fail)
            assert sides.has() == MINE
        else:
            break
        finally:
            disk.make_room()
    assert room > 50_000
    assert sides.has() == AFTER


def test_an_empty_folder_stays_empty_on_a_full_disk(tmp_path: Path, disk: TightDisk):
    sides = Sides(disk.seen)
    sides.built = tmp_path / "large"
    write(sides.built, {"small": b"1", "large": os.urandom(5_000_000)})
    with pytest.raises(MergeFailed) as failed:
        sides.again()
    assert failed.value.code == "merge.full"
    assert sides.has() == {}
    assert disk.free() > 3_900_000


def test_a_read_only_disk_fails_the_merge_with_a_code(sides: Sides, disk: TightDisk):
    disk.let_write(write=False)
    with pytest.raises(MergeFailed) as failed:
        sides.again()
    assert failed.value.code == "merge.read-only"
    disk.let_write(write=True)
    assert sides.has() == MINE
    sides.again()
    assert sides.has() == AFTER


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EDQUOT, "merge.full"),
        (errno.ESTALE, "merge.away"),
        (errno.EIO, "merge.away"),
        (errno.ENOTCONN, "merge.away"),
        (errno.EACCES, "merge.refused"),
        (errno.EINVAL, "merge.failed"),
    ],
)
def test_each_error_of_a_file_server_has_a_code_and_a_message(number: int, code: str):
    failed = main._failure_for(OSError(number, os.strerror(number)))
    assert (failed.code, failed.message.endswith(".")) == (code, True)


def test_files_lost_in_a_power_cut_are_filled_again(tmp_path: Path):
    """Filled without waiting for the disk; then the machine was started anew."""
    sides = Sides(tmp_path)
    files = dict.fromkeys(("whole", "empty", "zeros", "missing", "edited"), b"1" * 5000)
    write(sides.built, {**files, "folder": {"a": b"1"}})
    words = (str(sides.built), str(sides.mine), str(sides.record), FIRST)
    merge(*words, sync=False)
    mark = tmp_path / "record.unsynced"
    assert mark.read_text()
    assert merge(*words, sync=False)["again"]
    mark.write_text("another start of the machine")
    write(sides.mine / "empty", b"")
    write(sides.mine / "zeros", b"\0" * 5000)
    write(sides.mine / "missing", None)
    write(sides.mine / "folder" / "a", b"")
    write(sides.mine / "edited", b"mine")
    merge(*words)
    assert sides.has() == {**files, "edited": b"mine", "folder": {"a": b"1"}}
    assert not mark.exists()


def test_an_empty_file_after_the_sync_counts_as_an_edit(tmp_path: Path):
    sides = Sides(tmp_path)
    write(sides.built, {"a": b"1"})
    merge(str(sides.built), str(sides.mine), str(sides.record), FIRST, sync=False)
    sync_target(str(sides.mine), str(sides.record))
    assert not (tmp_path / "record.unsynced").exists()
    write(sides.mine / "a", b"")
    assert sides.again(FIRST)["again"]
    assert sides.again(SECOND)["kept"] == 1
