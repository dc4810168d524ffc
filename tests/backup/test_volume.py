"""Backup of one volume on the cluster: the program that a pod runs, which needs no settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import scratch

ROOT = Path(__file__).resolve().parents[2]


def volume(*words: object, user: int | None = None) -> tuple[int, str]:
    """Run the program, as another user if possible; return its status and output."""
    who: dict[str, Any] = {}
    if user and os.geteuid() == 0:
        who = {"user": user, "group": user, "extra_groups": []}
    done = subprocess.run(
        [sys.executable, "-m", "portal.backup.volume", *map(str, words)],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, **who,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    (tmp_path / "volume" / ".bindery" / "projects" / "x" / ".git").mkdir(parents=True)
    (tmp_path / "volume" / "notes.txt").write_text("mine")
    status, said = volume("pack", tmp_path / "volume", tmp_path / "backups" / "ada-nfs-pvc")
    assert (status, said) == (0, "ada-nfs-pvc.tar: 5 files and folders, 4 bytes\n")
    return tmp_path / "backups" / "ada-nfs-pvc"


def test_hidden_files_survive_whatever_their_folder_is_called(tmp_path):
    hidden = {"homes/.x", "projects/.git/HEAD", "projects/.env", ".bindery/projects/x/homes/.y"}
    for name in hidden:
        path = tmp_path / "volume" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert volume("pack", tmp_path / "volume", tmp_path / "kept")[0] == 0
    new = tmp_path / "new"
    new.mkdir()
    assert volume("unpack", tmp_path / "kept", new) == (0, "")
    assert {str(path.relative_to(new)) for path in new.rglob("*") if path.is_file()} == hidden


def test_forced_restore_moves_the_existing_files_aside(kept, tmp_path):
    new = tmp_path / "new"
    (new / "lost+found").mkdir(parents=True)
    assert volume("unpack", kept, new) == (0, "")
    assert (new / ".bindery" / "projects" / "x" / ".git").is_dir()
    (new / "notes.txt").write_text("later")
    status, said = volume("unpack", kept, new)
    assert status == 1
    assert "add --force" in said
    assert volume("unpack", kept, new, "--force") == (0, "")
    assert (new / "notes.txt").read_text() == "mine"
    assert [path.read_text() for path in new.glob(".before-restore-*/notes.txt")] == ["later"]


def test_corrupt_archive_is_refused(kept, tmp_path):
    with kept.with_name("ada-nfs-pvc.tar").open("ab") as file:
        file.write(b"x")
    (tmp_path / "new").mkdir()
    status, said = volume("unpack", kept, tmp_path / "new")
    assert status == 1
    assert "has changed since it was made" in said


def test_read_only_folder_is_restored_without_root(tmp_path):
    """A folder of mode 500 can be renamed only by whoever gives themself the right to."""
    place = scratch.folder()
    try:
        (place / "volume" / "fixed").mkdir(parents=True)
        (place / "volume" / "fixed" / "a").write_text("a")
        (place / "volume" / "hidden").write_text("x")
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "12345:12345", place], check=True)
        (place / "volume" / "fixed").chmod(0o500)
        assert volume("pack", place / "volume", place / "kept", user=12345)[0] == 0
        for _twice in range(2):
            assert volume("unpack", place / "kept", place / "volume", "--force", user=12345)[0] == 0
        assert (place / "volume" / "fixed").stat().st_mode & 0o777 == 0o500
        assert len([*place.glob("volume/.before-restore-*/fixed*/a")]) == 2

        (place / "volume" / "hidden").chmod(0)
        status, said = volume("pack", place / "volume", place / "again", user=12345)
        assert (status, "not in the archive: 'hidden'" in said) == (3, True)
    finally:
        subprocess.run(["rm", "-rf", place], check=True)
