"""Unusual names, depths, links and kinds of files, and hostile folders."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sessions.repofiles import program
from sessions.repofiles.merge import MergeFailed
from sessions.repofiles.merge.main import printable_path
from sessions.repofiles.merge.rule import conflict_name
from tests.repofiles.folders import BESIDE, FIRST, SECOND, THIRD, Sides, read, remove, write

ODD = [
    b"caf\xe9", "café".encode(), b"new\nline", b" ", b"-rf", b"--", b"\xff\xfe", b"$(x)",
    b"a\\b", b".hidden", b"..x", "\u202egnp.exe".encode(), "a\u0301".encode(), b"x" * 255,
    "ü".encode() * 127,
]  # fmt: skip
NOBODY = 54321


def test_files_with_odd_names_are_added_updated_and_removed(sides: Sides):
    sides.built.mkdir()
    for name in ODD:
        Path(os.fsdecode(os.fsencode(sides.built) + b"/" + name)).write_bytes(b"1")
    sides.again(FIRST)
    assert sorted(os.listdir(os.fsencode(sides.mine))) == sorted(ODD)
    for name in ODD:
        (sides.built / os.fsdecode(name)).write_bytes(b"2")
    assert sides.again(SECOND)["updated"] == len(ODD)
    assert set(sides.has().values()) == {b"2"}
    sides.merge({}, THIRD)
    assert os.listdir(sides.mine) == []


def test_conflicts_of_files_with_odd_names_are_saved_beside_them(sides: Sides):
    sides.merge({os.fsdecode(name): b"1" for name in ODD}, FIRST)
    write(sides.mine, {os.fsdecode(name): b"mine" for name in ODD})
    report = sides.merge({os.fsdecode(name): b"2" for name in ODD}, SECOND)
    assert report["conflicts"] == len(ODD)
    assert sorted(sides.has().values()) == sorted([b"mine"] * len(ODD) + [b"2"] * len(ODD))
    for pair in report["conflict_names"]:
        assert all(name.isprintable() for name in pair)


def test_conflict_names_are_valid_file_names():
    for name in ODD:
        there = conflict_name(name, SECOND)
        assert len(there) <= 255 and there.endswith(BESIDE.encode())
    assert conflict_name(b"a.ipynb", SECOND) == b"a.from-2222222.ipynb"
    assert conflict_name(b"a.ipynb", SECOND, 2) == b"a.from-2222222-2.ipynb"
    assert conflict_name(b".ipynb", SECOND) == b".ipynb.from-2222222"
    conflict_name("ü".encode() * 127, SECOND).decode()


def test_a_path_is_printed_as_one_short_line():
    assert printable_path(b"a\nb\x1b[1m\xff") == "a\ufffdb\ufffd[1m\ufffd"
    assert len(printable_path(b"x/" * 1000)) <= 201


def test_an_existing_conflict_name_is_not_overwritten(sides: Sides):
    sides.merge({"a": b"1"}, FIRST)
    write(sides.mine, {"a": b"mine", f"a{BESIDE}": b"other"})
    sides.merge({"a": b"2"}, SECOND)
    assert sides.has() == {"a": b"mine", f"a{BESIDE}": b"other", f"a{BESIDE}-2": b"2"}


def test_paths_longer_than_the_kernel_accepts_are_merged(sides: Sides):
    for top, text in ((sides.built, "1"), (sides.mine, None)):
        top.mkdir(exist_ok=True)
        if text:
            deep(top, text)
    sides.again(FIRST)
    assert deep(sides.mine) == "1"
    deep(sides.built, "2")
    assert sides.again(SECOND)["updated"] == 1
    assert deep(sides.mine) == "2"
    deep(sides.mine, "mine")
    deep(sides.built, "3")
    assert sides.again(THIRD)["conflicts"] == 1
    assert deep(sides.mine) == "mine"


def deep(top: Path, text: str | None = None) -> str:
    """Return the content of a file whose path is 6,000 bytes long; with ``text``, write it
    first.
    """
    name = "f" * 100
    at = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _level in range(60):
        if text is not None:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=at)
        inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = inside
    flags = os.O_RDONLY if text is None else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with open(os.open("file", flags, dir_fd=at), "r" if text is None else "w") as file:
        os.close(at)
        return file.read() if text is None else str(file.write(text))


def test_hard_links_are_kept_and_outside_links_do_not_change(sides: Sides):
    sides.built.mkdir()
    (sides.built / "a").write_text("1")
    os.link(sides.built / "a", sides.built / "b")
    sides.again(FIRST)
    assert (sides.mine / "a").stat().st_ino == (sides.mine / "b").stat().st_ino
    outside = sides.mine.parent / "outside"
    os.link(sides.mine / "a", outside)
    remove(sides.built)
    sides.merge({"a": b"2", "b": b"3"})
    assert sides.has() == {"a": b"2", "b": b"3"}
    assert outside.read_text() == "1"


def test_sparse_files_stay_sparse(sides: Sides):
    sides.built.mkdir()
    with (sides.built / "sparse").open("wb") as file:
        file.write(b"x")
        file.truncate(10**12)
        file.seek(5 * 10**11)
        file.write(b"y")
    sides.again(FIRST)
    there = (sides.mine / "sparse").stat()
    assert (there.st_size, there.st_blocks * 512 < 10**7) == (10**12, True)
    (sides.built / "new").write_text("1")
    os.utime(sides.mine / "sparse")  # so that it has to be read
    assert sides.again(SECOND)["kept"] == 0


def test_pipes_and_sockets_are_left_out_or_kept(sides: Sides):
    sides.built.mkdir()
    os.mkfifo(sides.built / "fifo")
    (sides.built / "file").write_text("1")
    report = sides.again(FIRST)
    assert report["left_out_names"] == ["fifo"]
    remove(sides.mine / "file")
    os.mkfifo(sides.mine / "file")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(sides.mine / "socket"))
    (sides.built / "file").write_text("2")
    (sides.built / "socket").write_text("2")
    assert sides.again(SECOND)["conflicts"] == 2
    assert stat.S_ISFIFO((sides.mine / "file").stat().st_mode)
    assert (sides.mine / f"socket{BESIDE}").read_text() == "2"


@pytest.mark.parametrize("where", ["folder", "folder/inner", "file", "link", "new"])
def test_links_made_by_the_person_are_not_followed(sides: Sides, where: str):
    was = {"folder": {"file": b"1", "inner": {"file": b"1"}}, "file": b"1", "link": "file"}
    sides.merge(was, FIRST)
    outside = sides.mine.parent / "outside"
    write(outside, {"file": b"1", "inner": {"file": b"1"}})
    write(sides.mine / where, str(outside))
    now = {"folder": {"file": b"2", "inner": {"new": b"2"}}, "file": b"2", "new": {"file": b"2"}}
    sides.merge(now)
    assert read(outside) == {"file": b"1", "inner": {"file": b"1"}}
    assert os.readlink(sides.mine / where) == str(outside)


def test_a_link_in_place_of_the_folder_is_refused(sides: Sides):
    write(sides.built, {"a": b"1"})
    write(sides.mine.parent / "outside", {})
    write(sides.mine, str(sides.mine.parent / "outside"))
    with pytest.raises(MergeFailed) as failed:
        sides.again()
    assert failed.value.code == "merge.not-a-folder"
    assert read(sides.mine.parent / "outside") == {}


def test_links_in_place_of_the_record_are_not_followed(sides: Sides):
    write(sides.built, {"a": b"1"})
    victim = sides.mine.parent / "victim"
    victim.write_text("victim")
    for name in ("record", "record.draft", "record.next", "record.next.draft"):
        (sides.mine.parent / name).symlink_to(victim)
    try:
        sides.again()
    except MergeFailed as failed:
        assert failed.code == "merge.not-a-folder"  # noqa: PT017
    assert victim.read_text() == "victim"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"version": 99}', '{"version": 1}', "[" * 100_000, "\xff",
     '{"version":1,"commit":"1","entries":{"a":["file"]},"git":{},"report":{},"staging":""}',
     '{"version":1,"commit":"1","entries":{},"git":{},"report":{},"staging":"../../x"}'],
)  # fmt: skip
def test_a_malformed_record_is_treated_as_missing(sides: Sides, text: str):
    sides.merge({"a": b"1", "b": b"1"}, FIRST)
    write(sides.mine / "a", b"mine")
    sides.record.write_text(text)
    sides.merge({"a": b"2"})
    assert sides.has() == {"a": b"mine", f"a{BESIDE}": b"2", "b": b"1"}


def test_paths_in_a_hostile_record_do_not_leave_the_folder(sides: Sides):
    sides.merge({"a": b"1"}, FIRST)
    outside = sides.mine.parent / "outside"
    write(outside, {"file": b"1"})
    text = sides.record.read_text()
    for path in ("../outside/file", "/../outside/file", f"{outside}/file", "./a", "", "a/../../x"):
        sides.record.write_text(text.replace('"a":', f'"{path}":'))
        sides.merge({"b": b"2"}, os.urandom(20).hex())
        assert read(outside) == {"file": b"1"}


def test_a_mode_set_by_the_person_stays(sides: Sides):
    sides.merge({"a": b"1", "b": b"1", "c": b"1"}, FIRST)
    (sides.mine / "a").chmod(0o600)
    sides.merge({"a": b"2", "b": (b"1", 0o755), "c": (b"2", 0o755)})
    assert sides.has() == {"a": (b"2", 0o600), "b": (b"1", 0o755), "c": (b"2", 0o755)}


def test_an_edit_that_keeps_size_and_mtime_is_noticed(sides: Sides):
    sides.merge({"a": b"1"}, FIRST)
    there = (sides.mine / "a").stat()
    write(sides.mine / "a", b"m")
    os.utime(sides.mine / "a", ns=(there.st_atime_ns, there.st_mtime_ns))
    sides.merge({"a": b"2"})
    assert sides.has() == {"a": b"m", f"a{BESIDE}": b"2"}


def test_concurrent_edits_during_a_merge_stay(sides: Sides):
    """While it is merged, another notebook of the person's writes there."""
    names = {f"f{number:04}": b"1" for number in range(2000)}
    sides.merge(names, FIRST)
    write(sides.built, dict.fromkeys(names, b"2"))
    writes = (
        "import os, sys\n"
        "os.chdir(sys.argv[1])\n"
        "print(flush=True)\n"
        "for number in range(1999, -1, -1):\n"
        "    name = f'f{number:04}'\n"
        "    if open(name).read() == '1':\n"
        "        open('.new', 'w').write('mine'); os.rename('.new', name)\n"
    )
    words = [sys.executable, "-c", writes, str(sides.mine)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        report = sides.again(SECOND)
    there = {name: value for name, value in sides.has().items() if ".from-" not in name}
    assert set(there.values()) <= {b"2", b"mine"}
    beside = sum(".from-" in name for name in sides.has())
    assert beside == report["conflicts"]
    sides.again(THIRD)
    assert {n: v for n, v in sides.has().items() if v == b"mine"} == {
        n: v for n, v in there.items() if v == b"mine"
    }


def unprivileged(sides: Sides, commit: str, umask: str = "022") -> tuple[int, str]:
    """Merge as an ordinary user who owns the target; return status and output."""
    words = [sys.executable, "-I", "-c", program()]
    words += [str(sides.built), str(sides.mine), str(sides.record), commit]
    as_user: dict[str, Any] = (
        {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    )
    whole = ["sh", "-c", f'umask {umask}; exec "$@"', "sh", *words]
    done = subprocess.run(whole, capture_output=True, text=True, **as_user)
    return done.returncode, done.stdout


@pytest.fixture
def owned(sides: Sides) -> Sides:
    """Sides with the folder of an ordinary user."""
    top = sides.mine.parent
    top.chmod(0o777)
    top.parent.chmod(0o755)
    return sides


def test_unreadable_files_are_named_and_never_removed(owned: Sides):
    write(owned.built, {"a": b"1", "secret": (b"1", 0o644), "folder": {"b": b"1"}})
    assert unprivileged(owned, FIRST)[0] == 0
    write(owned.built, {"a": b"2", "secret": (b"2", 0o000), "folder": {"b": b"2"}})
    if os.geteuid() == 0:
        os.chown(owned.built / "secret", 0, 0)
    (owned.built / "folder").chmod(0o000)
    status, said = unprivileged(owned, SECOND)
    (owned.built / "folder").chmod(0o755)
    assert (status, '"left_out_names": ["folder", "secret"]' in said) == (0, True)
    assert owned.has() == {"a": b"2", "secret": b"1", "folder": {"b": b"1"}}
    (owned.built / "secret").chmod(0o644)
    assert '"updated": 2' in unprivileged(owned, THIRD)[1]


def test_permissions_removed_by_the_person_do_not_prevent_a_merge(owned: Sides):
    write(owned.built, {"locked": {"a": b"1", "gone": b"1"}, "unreadable": {"a": b"1"}, "x": b"1"})
    assert unprivileged(owned, FIRST)[0] == 0
    (owned.mine / "locked").chmod(0o555)
    (owned.mine / "unreadable").chmod(0o000)
    (owned.mine / "x").chmod(0o000)
    owned.mine.chmod(0o555)
    write(owned.built, {"locked": {"a": b"2"}, "unreadable": {"a": b"2"}, "x": b"2", "y": b"2"})
    status, said = unprivileged(owned, SECOND)
    assert status == 0, said
    assert '"left_out_names": ["unreadable/a"]' in said
    assert stat.S_IMODE((owned.mine / "locked").stat().st_mode) == 0o555
    assert stat.S_IMODE(owned.mine.stat().st_mode) == 0o555
    owned.mine.chmod(0o755)
    (owned.mine / "unreadable").chmod(0o755)
    (owned.mine / "x").chmod(0o644)
    there = owned.has()
    assert there["locked"] == ({"a": b"2"})
    assert (there["unreadable"], there["x"], there["y"]) == ({"a": b"1"}, b"1", b"2")
    assert there[f"x{BESIDE}"] == b"2"


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o644])
def test_a_folder_that_its_owner_has_closed_is_opened_again(owned: Sides, mode: int):
    write(owned.built, {"a": b"1"})
    assert unprivileged(owned, FIRST)[0] == 0
    write(owned.built, {"a": b"2"})
    owned.mine.chmod(mode)
    status, said = unprivileged(owned, SECOND)
    assert (status, owned.has()) == (0, {"a": b"2"}), said
    assert stat.S_IMODE(owned.mine.stat().st_mode) == mode | stat.S_IRWXU


def test_an_unwritable_record_fails_the_merge_with_a_code(owned: Sides):
    write(owned.built, {"a": b"1"})
    assert unprivileged(owned, FIRST)[0] == 0
    write(owned.built, {"a": b"2"})
    owned.mine.parent.chmod(0o555)
    status, said = unprivileged(owned, SECOND)
    owned.mine.parent.chmod(0o777)
    assert (status, "merge.refused" in said) == (1, True)
    assert owned.has() == {"a": b"1"}


def test_modes_follow_the_repository_under_any_umask(owned: Sides):
    write(owned.built, {"a": b"1", "b": (b"1", 0o755), "c": {"d": (b"1", 0o444)}})
    (owned.built / "c").chmod(0o555)
    assert unprivileged(owned, FIRST, "077")[0] == 0
    assert owned.has() == {"a": b"1", "b": (b"1", 0o755), "c": {"d": (b"1", 0o444)}}
    assert stat.S_IMODE((owned.mine / "c").stat().st_mode) == 0o555
    (owned.mine / "c").chmod(0o755)


@pytest.mark.slow("makes and merges 20,000 files")
def test_twenty_thousand_files_take_seconds(sides: Sides):
    for folder in range(200):
        there = sides.built / f"d{folder % 20}" / f"e{folder}"
        there.mkdir(parents=True)
        for number in range(100):
            (there / f"f{number}").write_bytes(b"1" * 3000)
    began = time.process_time()
    assert sides.again(FIRST)["added"] == 20_000
    for folder in range(200):
        (sides.built / f"d{folder % 20}" / f"e{folder}" / "f7").write_bytes(b"2")
    assert sides.again(SECOND)["updated"] == 200
    assert time.process_time() - began < 30  # measured: 3
