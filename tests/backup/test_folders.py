"""Folders on other disks: linked, mounted, missing; and a restore that fails among them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from portal.backup import preconditions, swap
from portal.models import Erasure, Installation, User
from sessions.backends.local import owners
from tests.past_sessions import ran
from tests.scripted import ScriptedBackend
from tests.tightdisk import tight_disk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


@pytest.fixture
def data(settings, tmp_path: Path, backend: ScriptedBackend, ada: User) -> Path:
    """The data folder of an installation in which ada has files, some of them hidden."""
    settings.PORTAL_DATA = folder = tmp_path / "data"
    for name in ("homes/ada/homes/.x", "projects/ada-1/projects/.git/HEAD", "projects/ada-1/.env"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "secret-key").write_text("secret")
    return folder


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder on another file system than the tests' own."""
    with tempfile.TemporaryDirectory(prefix="bindery-other-", dir="/dev/shm") as folder:
        yield Path(folder)


def files(folder: Path) -> set[str]:
    """Return the files below, also behind links directly in it, without those that were moved
    aside.
    """
    found = subprocess.check_output(
        ["find", "-L", ".", "-name", f"*{swap.ASIDE_PREFIX}*", "-prune",
         "-o", "-type", "f", "-print"],
        cwd=folder, text=True,
    )  # fmt: skip
    return {path.removeprefix("./") for path in found.splitlines()}


HERS = {"homes/ada/homes/.x", "projects/ada-1/projects/.git/HEAD", "projects/ada-1/.env"}


def restored(settings, kept: Path, new: Path, *words: str) -> set[str]:
    settings.PORTAL_DATA = new
    call_command("flush", interactive=False, verbosity=0)
    call_command("restore", kept, *words)
    return {name for name in files(new) if name.startswith(("homes/", "projects/"))}


def moved(folder: Path, disk: Path) -> None:
    """Move a folder to another disk and leave a link in its place, as an operator does."""
    shutil.move(folder, disk / folder.name)
    folder.symlink_to(disk / folder.name)


def test_hidden_files_survive_whatever_their_folder_is_called(data, tmp_path, settings):
    call_command("back_up", tmp_path / "kept")
    assert restored(settings, tmp_path / "kept", tmp_path / "new") == HERS


@pytest.mark.parametrize("name", ["homes", "projects", "homes/ada", "projects/ada-1"])
def test_folder_linked_to_another_disk_is_packed_with_its_files(
    data, disk, tmp_path, settings, name
):
    moved(data / name, disk)
    call_command("back_up", tmp_path / "kept")
    assert restored(settings, tmp_path / "kept", tmp_path / "new") == HERS
    assert not any(path.is_symlink() for path in (tmp_path / "new").rglob("*"))


@pytest.mark.parametrize("name", ["homes", "projects", "homes/ada", "projects/ada-1"])
def test_restore_keeps_a_link_to_another_disk_and_moves_old_files_aside(
    data, disk, tmp_path, settings, name
):
    call_command("back_up", tmp_path / "kept")
    moved(data / name, disk)
    (data / name / "later").write_text("later")
    assert restored(settings, tmp_path / "kept", data, "--force") == HERS
    assert (data / name).is_symlink()
    (kept,) = disk.rglob("later")
    assert f".{swap.ASIDE_PREFIX}" in str(kept)


def test_disk_with_only_lost_and_found_counts_as_empty(data, disk, tmp_path, settings):
    call_command("back_up", tmp_path / "kept")
    (tmp_path / "new").mkdir()
    (disk / "lost+found").mkdir(mode=0o700)
    (tmp_path / "new" / "homes").symlink_to(disk)
    assert restored(settings, tmp_path / "kept", tmp_path / "new") == HERS
    assert (disk / "lost+found").is_dir()


@pytest.mark.parametrize("name", ["homes", "homes/ada"])
def test_restore_writes_into_a_mount_point(data, tmp_path, settings, name):
    call_command("back_up", tmp_path / "kept")
    (data / "homes").rename(tmp_path / "old")
    with ExitStack() as until:
        (data / name).mkdir(parents=True)
        seen = until.enter_context(tight_disk(data / name, 20)).seen
        (seen / "later").write_text("later")
        (seen / "lost+found").mkdir()
        data = Path(str(seen).removesuffix(f"/{name}"))
        assert restored(settings, tmp_path / "kept", data, "--force") == HERS
        assert os.path.ismount(seen)
        assert (seen / "lost+found").is_dir()
        assert len([*seen.glob(f".{swap.ASIDE_PREFIX}*/later")]) == 1


def test_hidden_and_foreign_entries_at_the_top_are_left_out_and_listed(data, tmp_path, capsys):
    (data / "projects" / ".ada-2-0123abcd").mkdir()
    (data / "homes" / "lost+found").mkdir()
    (data / "homes" / "readme").touch()
    call_command("back_up", tmp_path / "kept")
    said = capsys.readouterr().out
    assert "hidden, or being removed: projects/.ada-2-0123abcd" in said
    assert "not the folder of a person or project: homes/lost+found, homes/readme" in said


def test_uid_records_are_backed_up_with_the_folders(data, tmp_path, settings, capsys):
    owners.record_uids(data / "homes", base=700_000)
    owners.record_uids(data / "homes", own=1234)
    call_command("back_up", tmp_path / "kept")
    assert "hidden" not in capsys.readouterr().out
    new = tmp_path / "new" / "homes"
    assert restored(settings, tmp_path / "kept", new.parent) == {*HERS, "homes/.uids"}
    owners.record_uids(new, base=800_000)
    assert owners.former_uids(new, 7) == {700_007, 800_007, 1234}


def test_link_to_a_missing_disk_makes_the_backup_incomplete(data, tmp_path, capsys, settings):
    (data / "homes" / "bob").symlink_to("/nowhere/bob")
    with pytest.raises(CommandError, match="homes/bob") as error:
        call_command("back_up", tmp_path / "kept")
    assert error.value.returncode == 3
    assert restored(settings, tmp_path / "kept", tmp_path / "new") == HERS
    assert "was incomplete" in capsys.readouterr().out


def test_top_folder_on_a_missing_disk_prevents_the_backup(data, tmp_path):
    shutil.rmtree(data / "homes")
    (data / "homes").symlink_to("/nowhere/homes")
    with pytest.raises(CommandError, match="Mount its disk"):
        call_command("back_up", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_one_missing_folder_makes_the_backup_incomplete(data, tmp_path, ada, bob):
    for person in (ada, bob):
        ran(person, timezone.now(), timezone.now())
    (data / "homes" / "bob").mkdir(exist_ok=True)
    shutil.rmtree(data / "homes" / "ada")
    with pytest.raises(CommandError, match="homes/ada") as error:
        call_command("back_up", tmp_path / "kept")
    assert error.value.returncode == 3


@pytest.mark.parametrize("lost", ["homes", "projects"])
def test_unmounted_disk_makes_the_backup_incomplete(data, tmp_path, ada, lost):
    """The mount point of a disk that is not mounted is an empty folder."""
    ran(ada, timezone.now(), timezone.now())
    shutil.rmtree(data / lost)
    (data / lost).mkdir()
    with pytest.raises(CommandError, match="whose folder is missing") as error:
        call_command("back_up", tmp_path / "kept")
    assert error.value.returncode == 3


def test_unreadable_file_makes_the_backup_incomplete(data, tmp_path, settings, monkeypatch):
    program = tmp_path / "bin" / "tar"
    program.parent.mkdir()
    hers = 'case "$*" in *ada-1*) set -- --exclude=.env "$@";; esac'
    program.write_text(f'#!/bin/sh\n{hers}\n{shutil.which("tar")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(CommandError, match=r"not in the archive: projects/ada-1/\.env"):
        call_command("back_up", tmp_path / "kept")
    assert restored(settings, tmp_path / "kept", tmp_path / "new") == HERS - {"projects/ada-1/.env"}


def test_a_backup_of_the_first_format_is_restored(data, tmp_path, settings, disk):
    """Made as it was then: one archive for all, and a manifest that tells little."""
    call_command("back_up", tmp_path / "kept")
    kept = tmp_path / "kept"
    manifest = json.loads((kept / "manifest.json").read_text())
    for folder in ("homes", "projects"):
        shutil.rmtree(kept / folder)
        words = ["tar", "--create", "--sparse", "--numeric-owner", f"--directory={data}"]
        subprocess.run([*words, f"--file={kept / folder}.tar", "--", folder], check=True)
    names = ["homes.tar", "projects.tar", "secret-key"]
    names += [name for name in manifest["files"] if name.startswith("database")]
    sums = subprocess.check_output(["sha256sum", *names], cwd=kept, text=True).splitlines()
    old = {key: manifest[key] for key in ("version", "made", "database", "migrations")}
    old |= {"files": {line.split()[1]: line.split()[0] for line in sums}, "format": 1}
    (kept / "manifest.json").write_text(json.dumps(old))
    (tmp_path / "new" / "homes").mkdir(parents=True)
    (disk / "ada").mkdir()
    (tmp_path / "new" / "homes" / "ada").symlink_to(disk / "ada")
    assert restored(settings, kept, tmp_path / "new") == HERS
    assert files(disk) == {"ada/homes/.x"}
    assert restored(settings, kept, data, "--force") == HERS


def test_restore_without_enough_disk_space_changes_nothing(data, tmp_path, settings):
    (data / "homes" / "ada" / "large").write_bytes(os.urandom(3_000_000))
    call_command("back_up", tmp_path / "kept")
    with ExitStack() as until:
        (tmp_path / "new").mkdir()
        new = until.enter_context(tight_disk(tmp_path / "new", 2)).seen
        (new / "homes" / "bob").mkdir(parents=True)
        (new / "homes" / "bob" / "his").touch()
        with pytest.raises(CommandError, match="No space is left"):
            restored(settings, tmp_path / "kept", new, "--force")
        assert files(new) - {"up.lock", "backup.lock"} == {"homes/bob/his"}


def test_interrupted_restore_can_be_repeated_without_force(
    data, tmp_path, settings, ada, root, monkeypatch
):
    """Without --force: what is there is half of it. What was there first stays aside."""
    call_command("back_up", tmp_path / "kept")
    (data / "homes" / "ada" / "later").write_text("later")
    Erasure.objects.create(username="0" * 64)
    database = next((tmp_path / "kept").glob("database.*"))
    whole = database.read_bytes()
    real = swap.move_into_place
    calls = []

    def breaking(grown: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        real(grown, target)

    monkeypatch.setattr(swap, "move_into_place", breaking)
    with pytest.raises(CommandError, match="was interrupted"):
        call_command("restore", tmp_path / "kept", "--force")
    monkeypatch.undo()
    assert database.read_bytes() == whole
    with pytest.raises(CommandError, match=r"A restore into .* was interrupted"):
        call_command("back_up", tmp_path / "other")
    with pytest.raises(CommandError, match=r"A restore into .* was interrupted"):
        call_command("up")

    call_command("restore", tmp_path / "kept")

    assert files(data) >= HERS
    (place,) = data.glob(f"{swap.ASIDE_PREFIX}*")
    assert [path.read_text() for path in place.rglob("later")] == ["later"]
    assert not [*data.rglob(swap.STAGING)]
    call_command("back_up", tmp_path / "other")


def test_backups_exclude_a_restore_but_not_each_other(data, tmp_path):
    with preconditions.lock(exclusive=False):
        call_command("back_up", tmp_path / "kept")
        with pytest.raises(CommandError, match="is running"):
            call_command("restore", tmp_path / "kept", "--force")
    with preconditions.lock(exclusive=True), pytest.raises(CommandError, match="is running"):
        call_command("back_up", tmp_path / "other")


def test_next_backup_removes_what_a_killed_one_left(data, tmp_path):
    left = tmp_path / "backups" / ".2026-11-29.partial"
    left.mkdir(parents=True)
    (left / ".lock").touch()
    (left / "half").touch()
    call_command("back_up", tmp_path / "backups" / "2026-11-30")
    assert [path.name for path in (tmp_path / "backups").iterdir()] == ["2026-11-30"]


def test_restored_uid_records_replace_the_existing_ones(data, tmp_path, settings, capsys):
    owners.record_uids(data / "homes", base=70_000)
    call_command("back_up", tmp_path / "kept")
    assert "Left out" not in capsys.readouterr().out
    owners.record_uids(data / "homes", base=80_000)
    for new in (tmp_path / "new", data):
        restored(settings, tmp_path / "kept", new, "--force")
        assert owners.known_uids(new / "homes").bases == (70_000,)


def test_installation_id_is_backed_up_and_restored(data, tmp_path, settings):
    Installation.objects.set_id("a" * 32)
    (data / "installation").write_text("a" * 32 + "\n")
    call_command("back_up", tmp_path / "kept")
    restored(settings, tmp_path / "kept", tmp_path / "new")
    assert (tmp_path / "new" / "installation").read_text().strip() == "a" * 32
    assert Installation.objects.current_id() == "a" * 32


def test_set_aside_projects_are_backed_up_and_restored(data, tmp_path, settings):
    places = ("projects/.set-aside", "set-aside/projects")
    names = [f"{place}/ada-9.20261130T000000Z-abcdef" for place in places]
    for name in names:
        (data / name).mkdir(parents=True)
        (data / name / "work").write_text("work")
    call_command("back_up", tmp_path / "kept")
    for new in (tmp_path / "new", data):
        restored(settings, tmp_path / "kept", new, "--force")
        assert files(new) >= HERS | {f"{name}/work" for name in names}


def test_incompletely_unpacked_folder_is_named_and_the_rest_is_restored(data, tmp_path, settings):
    call_command("back_up", tmp_path / "kept")
    note = tmp_path / "kept" / "manifest.json"
    manifest = json.loads(note.read_text())
    manifest["folders"]["homes/ada.tar"]["entries"] += 1
    note.write_text(json.dumps(manifest))
    with pytest.raises(CommandError, match="homes/ada: 2 of 3 files and folders") as error:
        restored(settings, tmp_path / "kept", tmp_path / "new")
    assert error.value.returncode == 3
    assert files(tmp_path / "new") >= HERS
    call_command("back_up", tmp_path / "again")
