"""A volume of the cluster by itself: the program that a pod runs, which needs no settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def volume(*words: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "portal.backup.volume", *map(str, words)],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    (tmp_path / "volume" / ".bindery" / "projects" / "x" / ".git").mkdir(parents=True)
    (tmp_path / "volume" / "notes.txt").write_text("mine")
    status, said = volume("pack", tmp_path / "volume", tmp_path / "backups" / "ada-nfs-pvc")
    assert (status, said) == (0, "ada-nfs-pvc.tar: 5 files and folders, 4 bytes\n")
    return tmp_path / "backups" / "ada-nfs-pvc"


def test_it_comes_back_and_what_was_there_is_aside(kept, tmp_path):
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


def test_a_broken_archive_is_refused(kept, tmp_path):
    with kept.with_name("ada-nfs-pvc.tar").open("ab") as file:
        file.write(b"x")
    (tmp_path / "new").mkdir()
    status, said = volume("unpack", kept, tmp_path / "new")
    assert status == 1
    assert "not as it was" in said
