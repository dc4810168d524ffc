"""Ownership of folders: a person owns what they were given before, and nothing else changes
hands.
"""

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
    machine's.
    """
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
def test_a_new_folder_belongs_to_the_person(homes):
    for _again in range(2):
        folder = people.make_person_folder(homes / "ada", ADA, homes)
    assert folder.stat().st_uid == BASE + ADA
    assert uids.known_uids(homes).bases == (BASE,)


@as_root
def test_a_folder_owned_by_another_account_is_refused(homes):
    folder = volume(homes, uid=1234)
    with pytest.raises(UserError) as refused:
        people.make_person_folder(folder, ADA, homes)
    assert refused.value.code == "spawn.folder-owner"
    assert "homes/ada" in refused.value.message and "1234" in refused.value.message
    assert set(owners(folder).values()) == {1234}


@as_root
def test_another_persons_folder_is_refused_although_it_was_renamed(homes):
    people.make_person_folder(homes / "bob", ADA + 1, homes)
    os.rename(homes / "bob", homes / "ada")
    with pytest.raises(UserError):
        people.make_person_folder(homes / "ada", ADA, homes)


@as_root
def test_a_new_uid_base_moves_only_the_persons_own_files(homes, settings):
    people.make_person_folder(homes / "bob", ADA + 1, homes)
    folder = volume(homes, uid=BASE + ADA, others=1234)
    settings.PORTAL_SANDBOX_UID_BASE = 800_000
    people.make_person_folder(folder, ADA, homes)
    assert owners(folder) == {"ada": 800_000 + ADA, "hers": 800_000 + ADA, "another's": 1234}
    assert Path("/etc/passwd").stat().st_uid == 0
    assert uids.known_uids(homes).bases == (BASE, 800_000)


@as_root
def test_an_unrecorded_uid_base_is_inferred_from_the_environments(homes, settings):
    folder, environments = volume(homes, uid=BASE + ADA), homes.parent / "environments"
    environments.mkdir()
    os.chown(environments, BASE, BASE)
    settings.PORTAL_SANDBOX_UID_BASE = 800_000
    LocalBackend()._record_earlier_uids()
    people.make_person_folder(folder, ADA, homes)
    assert folder.stat().st_uid == 800_000 + ADA


@as_root
def test_folders_from_an_unprivileged_portal_are_handed_to_their_people(homes):
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
def test_staff_can_assign_a_folder_to_a_person(homes):
    folder = volume(homes, uid=1234, others=4321)
    backend = LocalBackend()
    assert backend.adopt_volume("ada", ADA)
    assert not backend.adopt_volume("ada", ADA)
    assert not backend.adopt_volume("nobody", ADA)
    assert owners(folder) == {"ada": BASE + ADA, "hers": BASE + ADA, "another's": 4321}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"bases": "x", "own": 1}', "\0"])
def test_an_unreadable_uid_record_proves_no_ownership(homes, text):
    (homes / uids.UIDS_FILE).write_text(text)
    assert uids.former_uids(homes, ADA) == frozenset()
    uids.record_uids(homes, base=BASE)
    assert json.loads((homes / uids.UIDS_FILE).read_text()) == {"bases": [BASE], "own": []}
