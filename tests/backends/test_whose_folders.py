"""Ownership of folders: a person owns what they were given before, and nothing else changes
hands."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sessions.backends.local import LocalBackend
from sessions.backends.local import owners as people
from sessions.backends.local import owners as uids
from sessions.errors import UserError

BASE = 700_000
ADA = 7

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")


@pytest.fixture
def homes(settings, tmp_path: Path) -> Path:
    settings.PORTAL_DATA = tmp_path
    settings.PORTAL_SANDBOX_UID_BASE = BASE
    (tmp_path / "homes").mkdir()
    return tmp_path / "homes"


def volume(homes: Path, *, uid: int, others: int | None = None) -> Path:
    """Make a folder with a file of its owner, one of another user's, and a link to a file of the
    machine's."""
    folder = homes / "ada"
    folder.mkdir()
    for name, owner in (("hers", uid), ("another's", others or uid)):
        (folder / name).write_text(name)
        os.chown(folder / name, owner, owner)
    (folder / "link").symlink_to("/etc/passwd")
    os.chown(folder, uid, uid)
    return folder


def owners(folder: Path) -> dict[str, int]:
    return {
        path.name: path.lstat().st_uid for path in (folder, folder / "hers", folder / "another's")
    }


@as_root
def test_a_folder_is_made_for_the_person_and_stays_theirs(homes):
    for _again in range(2):
        folder = people.make_person_folder(homes / "ada", ADA, homes)
    assert folder.stat().st_uid == BASE + ADA
    assert uids.known_uids(homes).bases == (BASE,)


@as_root
def test_a_folder_of_another_account_is_refused_and_left_as_it_is(homes):
    folder = volume(homes, uid=1234)
    with pytest.raises(UserError) as refused:
        people.make_person_folder(folder, ADA, homes)
    assert refused.value.code == "spawn.folder-owner"
    assert "homes/ada" in refused.value.message and "1234" in refused.value.message
    assert set(owners(folder).values()) == {1234}


@as_root
def test_another_persons_folder_is_refused_whatever_its_name(homes):
    people.make_person_folder(homes / "bob", ADA + 1, homes)
    os.rename(homes / "bob", homes / "ada")
    with pytest.raises(UserError):
        people.make_person_folder(homes / "ada", ADA, homes)


@as_root
def test_under_another_base_of_uids_a_person_keeps_their_files_and_nobody_elses(homes, settings):
    people.make_person_folder(homes / "bob", ADA + 1, homes)
    folder = volume(homes, uid=BASE + ADA, others=1234)
    settings.PORTAL_SANDBOX_UID_BASE = 800_000
    people.make_person_folder(folder, ADA, homes)
    assert owners(folder) == {"ada": 800_000 + ADA, "hers": 800_000 + ADA, "another's": 1234}
    assert Path("/etc/passwd").stat().st_uid == 0
    assert uids.known_uids(homes).bases == (BASE, 800_000)


@as_root
def test_what_lies_there_from_before_this_was_noted_is_known_by_the_environments(homes, settings):
    folder, environments = volume(homes, uid=BASE + ADA), homes.parent / "environments"
    environments.mkdir()
    os.chown(environments, BASE, BASE)
    settings.PORTAL_SANDBOX_UID_BASE = 800_000
    LocalBackend()._record_earlier_uids()
    people.make_person_folder(folder, ADA, homes)
    assert folder.stat().st_uid == 800_000 + ADA


@as_root
def test_what_an_ordinary_user_ran_for_all_is_each_persons_under_root(homes):
    folder, environments = volume(homes, uid=1234), homes.parent / "environments"
    environments.mkdir()
    for path in (environments, homes):
        os.chown(path, 1234, 1234)
    LocalBackend()._record_earlier_uids()
    people.make_shared_folder(homes, 0o711)
    assert (homes.stat().st_uid, folder.stat().st_uid) == (0, 1234)
    people.make_person_folder(folder, ADA, homes)
    assert owners(folder) == dict.fromkeys(("ada", "hers", "another's"), BASE + ADA)


@as_root
def test_staff_may_say_that_a_folder_is_somebodys(homes):
    folder = volume(homes, uid=1234, others=4321)
    backend = LocalBackend()
    assert backend.adopt_volume("ada", ADA)
    assert not backend.adopt_volume("ada", ADA)
    assert not backend.adopt_volume("nobody", ADA)
    assert owners(folder) == {"ada": BASE + ADA, "hers": BASE + ADA, "another's": 4321}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"bases": "x", "own": 1}', "\0"])
def test_a_note_that_cannot_be_read_proves_nothing(homes, text):
    (homes / uids.UIDS_FILE).write_text(text)
    assert uids.former_uids(homes, ADA) == frozenset()
    uids.record_uids(homes, base=BASE)
    assert json.loads((homes / uids.UIDS_FILE).read_text()) == {"bases": [BASE], "own": []}
