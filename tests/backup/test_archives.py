"""Archives of a user's folder: what one keeps, what it leaves out, and what is noticed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from portal.backup import archives
from portal.backup.archives import DIFFERENT, NOT_IN_ARCHIVE, Contents
from portal.backup.programs import BackupError
from portal.backup.survey import MAX_PATH_BYTES, SOCKET, TOO_LONG, digest, survey
from tests.tightdisk import tight_disk

READ_ALL = bytes.fromhex("02000000 01000600 ffffffff 02000400 e8030000 04000400 ffffffff")
READ_ALL += bytes.fromhex("10000400 ffffffff 20000000 ffffffff")
"""An access control list by which uid 1000 may read as well."""
ACL = "system.posix_acl_access"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ada"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    return folder


def again(folder: Path, tmp_path: Path) -> tuple[Path, Contents]:
    """Archive the folder, unpack it again, and return it with the archive's contents."""
    contents = archives.pack(folder, tmp_path / "ada.tar")
    new = tmp_path / "new"
    new.mkdir()
    assert archives.unpack(tmp_path / "ada.tar", new) == ""
    assert archives.differences(new, contents) == []
    return new, contents


def reasons(listed: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {each["why"]: each["names"] for each in listed}


def test_hidden_files_are_packed_whatever_their_folder_is_called(folder, tmp_path):
    for name in ("projects/.git/HEAD", "homes/.x", ".env", "x/projects/.env"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    new, _contents = again(folder, tmp_path)
    assert (new / "projects/.git/HEAD").read_text() == "projects/.git/HEAD"
    assert {"homes/.x", ".env", "x/projects/.env"} <= survey(new).files.keys()


@pytest.mark.parametrize(
    "name",
    [b"new\nline", b"back\\nslash", b"\xff\xfe", "\u00e9".encode(), b"-rf", b"--", b" ", b"*"],
)
def test_odd_file_names_survive(folder, tmp_path, name):
    path = os.path.join(os.fsencode(folder), name)
    with open(path, "wb") as file:
        file.write(b"odd")
    new, contents = again(folder, tmp_path)
    with open(os.path.join(os.fsencode(new), name), "rb") as file:
        assert file.read() == b"odd"
    assert contents.missing == []


def test_links_sparse_files_fifos_and_modes_survive(folder, tmp_path):
    (folder / "link").symlink_to("/nowhere")
    (folder / "within").symlink_to("notes.txt")
    os.link(folder / "notes.txt", folder / "same.txt")
    os.mkfifo(folder / "fifo")
    (folder / "run").touch(mode=0o751)
    with (folder / "holes").open("wb") as file:
        file.seek(10_000_000)
        file.write(b"x")
        file.truncate(30_000_000)
    new, contents = again(folder, tmp_path)
    assert os.readlink(new / "link") == "/nowhere"
    assert (new / "same.txt").samefile(new / "notes.txt")
    assert (new / "fifo").is_fifo()
    assert (new / "run").stat().st_mode & 0o777 == 0o751
    assert (new / "holes").stat().st_size == 30_000_000
    assert (new / "holes").stat().st_blocks * 512 < 1_000_000
    assert contents.bytes == 30_000_004


def test_extended_attributes_and_acls_survive(folder, tmp_path):
    os.setxattr(folder / "notes.txt", "user.origin", b"https://example.org")
    os.setxattr(folder / "notes.txt", ACL, READ_ALL)
    new, _contents = again(folder, tmp_path)
    assert os.getxattr(new / "notes.txt", "user.origin") == b"https://example.org"
    assert os.getxattr(new / "notes.txt", ACL) == READ_ALL


def test_modification_times_survive_to_the_nanosecond(folder, tmp_path):
    os.utime(folder / "notes.txt", ns=(1, 1_700_000_000_123_456_789))
    new, _contents = again(folder, tmp_path)
    assert (new / "notes.txt").stat().st_mtime_ns == 1_700_000_000_123_456_789


def test_folder_that_is_a_symlink_is_packed_with_its_files(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    contents = archives.pack(tmp_path / "link", tmp_path / "ada.tar")
    assert contents.entries == 1
    assert contents.bytes == 4


def test_sockets_and_overlong_paths_are_left_out_and_listed(folder, tmp_path):
    with socket.socket(socket.AF_UNIX) as door:
        here = os.getcwd()
        os.chdir(folder)
        try:
            door.bind("door")
            for _level in range(20):
                os.mkdir("x" * 250)
                os.chdir("x" * 250)
        finally:
            os.chdir(here)
    new, contents = again(folder, tmp_path)
    left = reasons(contents.left_out)
    assert left[SOCKET] == ["door"]
    assert len(left[TOO_LONG][0]) >= MAX_PATH_BYTES - 2
    assert contents.missing == []
    assert max(map(len, survey(new).files)) < MAX_PATH_BYTES


def test_contents_are_counted_and_sampled(folder, tmp_path):
    for number in range(30):
        (folder / str(number)).write_text(str(number))
    contents = archives.pack(folder, tmp_path / "ada.tar")
    assert contents.entries == 31
    assert len(contents.samples) == archives.SAMPLES
    facts = survey(folder).files
    assert all(digest(folder, p, facts[p]) == made for p, made in contents.samples.items())


def test_changed_and_missing_files_are_noticed_after_unpacking(folder, tmp_path):
    new, contents = again(folder, tmp_path)
    (new / "notes.txt").write_text("else")
    assert archives.differences(new, contents) == ["'notes.txt' differs from the backup"]
    (new / "notes.txt").unlink()
    assert "0 of 1 files" in archives.differences(new, contents)[0]


def tar_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Replace ``tar`` by a script; ``$tar`` in it is the real one."""
    program = tmp_path / "bin" / "tar"
    program.parent.mkdir()
    program.write_text(f"#!/bin/bash\ntar={shutil.which('tar')}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_an_archive_that_lacks_a_file_is_noticed(folder, tmp_path, monkeypatch):
    """Such as `tar` made when a pattern hit more than it should, and reported success."""
    tar_that(tmp_path, monkeypatch, 'exec $tar --exclude=notes.txt "$@"')
    contents = archives.pack(folder, tmp_path / "ada.tar")
    assert reasons(contents.missing) == {NOT_IN_ARCHIVE: ["notes.txt"]}


def test_an_archive_with_altered_content_is_noticed(folder, tmp_path, monkeypatch):
    tar_that(tmp_path, monkeypatch, f'$tar "$@" && sed -i s/mine/MINE/ {tmp_path}/ada.tar')
    contents = archives.pack(folder, tmp_path / "ada.tar")
    assert reasons(contents.missing) == {DIFFERENT: ["notes.txt"]}


def test_files_that_change_during_packing_are_no_error(folder, tmp_path, monkeypatch):
    (folder / "going").touch()
    work = f"echo more >>{folder}/notes.txt; rm {folder}/going; touch {folder}/new"
    tar_that(tmp_path, monkeypatch, f'{work}; exec $tar "$@"')
    contents = archives.pack(folder, tmp_path / "ada.tar")
    assert contents.missing == []
    assert contents.changed == 3


def test_folder_that_changes_all_the_time_can_be_backed_up(folder, tmp_path):
    over = threading.Event()

    def work() -> None:
        number = 0
        while not over.is_set():
            number += 1
            (folder / "notes.txt").write_text("mine" * (number % 999))
            (folder / "sub").mkdir(exist_ok=True)
            (folder / "sub" / str(number % 50)).write_text("x" * number)
            shutil.rmtree(folder / "sub", ignore_errors=True) if number % 40 == 0 else None

    working = threading.Thread(target=work)
    working.start()
    try:
        for number in range(5):
            assert archives.pack(folder, tmp_path / f"{number}.tar").missing == []
    finally:
        over.set()
        working.join()


def test_symlink_that_replaces_a_folder_is_not_followed(folder, tmp_path, monkeypatch):
    """Nobody gets a file of the machine into their backup, and so into their folder."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "key").write_text("mine")
    swap = f"rm -r {folder}/sub; ln -s {tmp_path}/secret {folder}/sub"
    tar_that(tmp_path, monkeypatch, f'{swap}; exec $tar "$@"')
    archives.pack(folder, tmp_path / "ada.tar")
    assert b"secret\n" not in (tmp_path / "ada.tar").read_bytes().replace(b"secret/", b"")
    facts = survey(folder).files
    assert facts["sub"].kind == "link"
    assert "sub/key" not in facts


def test_unreadable_file_is_reported_and_the_rest_is_packed(folder, tmp_path, monkeypatch):
    (folder / "broken").write_text("x")
    said = "tar: ./broken: Read error at byte 0: Input/output error"
    tar_that(tmp_path, monkeypatch, f'$tar --exclude=./broken "$@"; echo "{said}" >&2; exit 2')
    contents = archives.pack(folder, tmp_path / "ada.tar")
    assert reasons(contents.missing) == {NOT_IN_ARCHIVE: ["broken"]}
    assert contents.entries == 1


def test_full_disk_raises_a_clear_error(folder, tmp_path):
    (folder / "large").write_bytes(os.urandom(3_000_000))
    place = tmp_path / "small"
    place.mkdir()
    with tight_disk(place, 1) as disk, pytest.raises(BackupError, match="No space is left"):
        archives.pack(folder, disk.seen / "ada.tar")


def test_file_named_like_an_error_message_causes_no_error(folder, tmp_path, monkeypatch):
    odd = "tar: x: No space left on device\n"
    (folder / odd).write_text("x")
    tar_that(tmp_path, monkeypatch, f'$tar "$@"; $tar c "{folder}/{odd}/none"; exit 2')
    assert archives.pack(folder, tmp_path / "ada.tar").entries == 2


def test_empty_folder_can_be_packed_and_unpacked(tmp_path):
    (tmp_path / "empty").mkdir(mode=0o700)
    new, contents = again(tmp_path / "empty", tmp_path)
    assert (contents.entries, contents.bytes, contents.missing) == (0, 0, [])
    assert new.stat().st_mode & 0o777 == 0o700


def test_archive_of_the_first_format_is_unpacked_without_its_top_folder(tmp_path):
    (tmp_path / "homes" / "ada").mkdir(parents=True)
    (tmp_path / "homes" / "ada" / "a").write_text("x")
    os.link(tmp_path / "homes" / "ada" / "a", tmp_path / "homes" / "ada" / "b")
    subprocess.run(["tar", "-cf", tmp_path / "homes.tar", "-C", tmp_path, "homes"], check=True)
    (tmp_path / "new").mkdir()
    assert archives.unpack(tmp_path / "homes.tar", tmp_path / "new", strip_components=1) == ""
    assert (tmp_path / "new" / "ada" / "a").samefile(tmp_path / "new" / "ada" / "b")
