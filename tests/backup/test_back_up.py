"""``back_up`` and ``restore``: what is restored, and what is refused before anything is touched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys.keypairs import ensure
from keys.models import KeyPair, Token
from portal.lib.datafolder import exclusive_lock
from portal.models import User
from portal.privacy import erase
from sessions.backends import ServerReport
from sessions.models import Heartbeat, Project, Session
from sessions.states import SessionState
from tests.past_sessions import ran
from tests.scripted import ScriptedBackend

pytestmark = pytest.mark.django_db(transaction=True)
MANIFEST = "manifest.json"
HOLE = 5_000_000


@pytest.fixture
def data(settings, tmp_path: Path, backend: ScriptedBackend) -> Path:
    """The data folder of an installation in which ada has files."""
    settings.PORTAL_DATA = folder = tmp_path / "data"
    home = folder / "homes" / "ada"
    home.mkdir(parents=True, mode=0o700)
    (home / "notes.txt").write_text("mine")
    (home / "run.sh").touch(mode=0o750)
    (home / "link").symlink_to("/nowhere")
    with (home / "sparse").open("wb") as file:
        file.truncate(HOLE)
    (folder / "projects" / "ada-1").mkdir(parents=True)
    (folder / "projects" / ".ada-2-removed").mkdir()
    for key in ("secret-key", "encryption-key"):
        (folder / key).write_text(f"the {key}")
    return folder


@pytest.fixture
def kept(data: Path, tmp_path: Path, ada: User) -> Path:
    """A backup of that folder, made while a notebook ran."""
    ran(ada, timezone.now(), None)
    call_command("back_up", tmp_path / "kept")
    return tmp_path / "kept"


@pytest.fixture
def new(settings, tmp_path: Path, kept: Path) -> Path:
    """The data folder of another installation, whose database is empty."""
    call_command("flush", interactive=False, verbosity=0)
    settings.PORTAL_DATA = folder = tmp_path / "new"
    folder.mkdir()
    return folder


def change(kept: Path, **fields: object) -> None:
    manifest = json.loads((kept / MANIFEST).read_text())
    (kept / MANIFEST).write_text(json.dumps(manifest | fields))


def test_restore_brings_back_passwords_keys_tokens_and_projects(
    data: Path, tmp_path: Path, ada: User, settings
):
    pair = ensure(ada)
    _row, secret = Token.objects.issue(ada, "laptop")
    name = ran(ada, None, timezone.now()).project.name
    call_command("back_up", tmp_path / "kept")
    call_command("flush", interactive=False, verbosity=0)
    settings.PORTAL_DATA = tmp_path / "new"

    call_command("restore", tmp_path / "kept")

    assert User.objects.get().check_password("ada's password")
    assert KeyPair.objects.get().public == pair.public
    assert Token.objects.find_by_secret(secret)
    assert Project.objects.get().name == name


def test_restored_files_keep_their_modes_links_and_holes(new: Path, kept: Path):
    call_command("restore", kept)
    home = new / "homes" / "ada"
    assert (home / "notes.txt").read_text() == "mine"
    assert (home / "run.sh").stat().st_mode & 0o777 == 0o750
    assert os.readlink(home / "link") == "/nowhere"
    assert (home / "sparse").stat().st_size == HOLE
    assert (home / "sparse").stat().st_blocks * 512 < HOLE
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("owner", [os.geteuid() or 200_007])
def test_restored_files_keep_their_owner(data: Path, tmp_path: Path, ada, settings, owner):
    os.chown(data / "homes" / "ada" / "notes.txt", owner, -1)
    call_command("back_up", tmp_path / "kept")
    call_command("flush", interactive=False, verbosity=0)
    settings.PORTAL_DATA = tmp_path / "new"
    call_command("restore", tmp_path / "kept")
    assert (tmp_path / "new" / "homes" / "ada" / "notes.txt").stat().st_uid == owner


def test_folders_being_removed_are_left_out(new: Path, kept: Path):
    call_command("restore", kept)
    assert [path.name for path in (new / "projects").iterdir()] == ["ada-1"]


def test_running_notebook_is_marked_failed_after_a_restore(new: Path, kept: Path):
    call_command("restore", kept)
    session = Session.objects.get()
    assert session.state == SessionState.FAILED
    assert session.code == "restore.ended"
    assert "Start it again" in session.message


def test_backup_includes_the_keys(new: Path, kept: Path):
    call_command("restore", kept)
    assert (new / "encryption-key").read_text() == "the encryption-key"
    assert (new / "secret-key").read_text() == "the secret-key"


def test_backup_without_keys_leaves_existing_keys_in_place(
    data: Path, tmp_path: Path, ada: User, capsys
):
    call_command("back_up", tmp_path / "bare", "--without-keys")
    assert "Not in it: secret-key, encryption-key" in capsys.readouterr().out
    (data / "encryption-key").write_text("another")
    call_command("restore", tmp_path / "bare", "--force")
    assert (data / "encryption-key").read_text() == "another"


def test_restore_refuses_to_replace_existing_data(kept: Path, data: Path):
    (data / "homes" / "ada" / "later.txt").touch()
    with pytest.raises(CommandError, match="in use"):
        call_command("restore", kept)
    assert (data / "homes" / "ada" / "later.txt").exists()


def test_forced_restore_moves_existing_data_aside(kept: Path, data: Path, bob: User):
    (data / "homes" / "ada" / "later.txt").touch()
    call_command("restore", kept, "--force")
    (aside,) = data.glob("before-restore-*")
    assert (aside / "homes" / "ada" / "later.txt").exists()
    assert any(path.name.startswith("database") for path in aside.iterdir())
    assert not (data / "homes" / "ada" / "later.txt").exists()
    assert User.objects.get().username == "ada"


def test_restore_names_people_erased_since_the_backup(kept: Path, data: Path, ada, root, capsys):
    erase.erase(ada, root)
    call_command("restore", kept, "--force")
    assert "erase them again: ada" in capsys.readouterr().out


def test_restore_refuses_a_corrupt_archive(new: Path, kept: Path):
    with (kept / "homes" / "ada.tar").open("r+b") as file:
        file.write(b"x")
    with pytest.raises(CommandError, match=r"ada\.tar is missing or has changed"):
        call_command("restore", kept)
    assert not User.objects.exists()


def test_restore_refuses_an_incomplete_backup(new: Path, kept: Path):
    (kept / MANIFEST).unlink()
    with pytest.raises(CommandError, match="is not a complete backup"):
        call_command("restore", kept)


def test_restore_refuses_a_backup_of_a_newer_version(new: Path, kept: Path):
    change(kept, migrations=["portal.9999_from_the_future"], version="99.0")
    with pytest.raises(CommandError, match=r"version 99\.0, which is newer"):
        call_command("restore", kept)


def test_restore_refuses_a_newer_backup_format(new: Path, kept: Path):
    change(kept, format=3)
    with pytest.raises(CommandError, match="newer version"):
        call_command("restore", kept)


def test_restore_refuses_a_backup_of_another_database_engine(new: Path, kept: Path):
    change(kept, database="another")
    with pytest.raises(CommandError, match="DATABASE_URL"):
        call_command("restore", kept)


def test_restore_refuses_while_the_portal_runs(new: Path, kept: Path):
    with exclusive_lock(), pytest.raises(CommandError, match="A portal is already running"):
        call_command("restore", kept)


def test_restore_refuses_while_a_portal_elsewhere_uses_the_database(new: Path, kept: Path):
    Heartbeat.objects.create(name="watch", at=timezone.now(), since=timezone.now())
    with pytest.raises(CommandError, match="A portal is using this database"):
        call_command("restore", kept)


def test_restore_refuses_while_notebooks_run(new: Path, kept: Path, backend: ScriptedBackend):
    backend.server_reports[7] = ServerReport(7, "bob-7", "ready")
    with pytest.raises(CommandError, match="1 notebooks or builds are still running"):
        call_command("restore", kept)


def test_a_backup_never_overwrites_another(kept: Path):
    with pytest.raises(CommandError, match="already exists"):
        call_command("back_up", kept)


def test_backup_to_an_unwritable_path_fails_with_a_message(data: Path, tmp_path: Path, ada):
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="could not be written"):
        call_command("back_up", tmp_path / "file" / "kept")


def test_files_are_packed_before_the_database_is_dumped(
    data: Path, tmp_path: Path, ada, monkeypatch: pytest.MonkeyPatch
):
    """Whatever happens in between, no file is there that no row asks for."""
    real, seen = shutil.which("tar"), tmp_path / "seen"
    program = tmp_path / "bin" / "tar"
    program.parent.mkdir()
    look = (
        'for word in "$@"; do case $word in --file=*) ls "$(dirname "${word#*=}")/..";; esac; done'
    )
    program.write_text(f'#!/bin/sh\n({look}) >>"{seen}"\nexec "{real}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    call_command("back_up", tmp_path / "kept")
    assert set(seen.read_text().split()) == {"homes", "projects"}
    assert {path.name.partition(".")[0] for path in (tmp_path / "kept").iterdir()} >= {
        "homes", "projects", "database", "manifest",
    }  # fmt: skip
