"""A volume belongs to a person and not to a name: a renamed person keeps it, and nobody else ever
gets the name.
"""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection

from portal.models import Erasure, UsedName, User
from portal.models.erasure import digest
from portal.privacy import erase
from sessions.lifecycle import files, sshkey, steps
from sessions.models import Session
from sessions.names import owner_slug
from sessions.states import ProjectState
from tests.accounts.test_oidc_usernames import arrives
from tests.admin.pages import filled_in
from tests.full_person import fill
from tests.privacy.test_erase import drop_all, erase_wholly, stop_all, telling
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def renamed(person: User, name: str) -> User:
    found = User.objects.get(pk=person.pk)
    found.username = name
    found.save()
    return found


def started(backend, person: User):
    """Start a notebook of this person's and return the spec that the back end got."""
    project_in(ProjectState.SPAWNING, person)
    session = Session.objects.latest("pk")
    steps.spawn(session.pk)
    return backend.started_servers[session.pk]


def test_renamed_person_keeps_the_volume_when_a_namesake_arrives(ada, as_root, backend):
    started(backend, ada)
    page = f"/admin/portal/user/{ada.pk}/change/"
    sent = {**filled_in(as_root.get(page)), "username": "ada.lovelace", "_save": "Save"}
    assert as_root.post(page, sent).status_code == 302

    spec = started(backend, User.objects.get(pk=ada.pk))
    assert (spec.volume, spec.owner) == ("ada", owner_slug("ada.lovelace"))
    assert spec.former_names == ("ada",)
    other = arrives("2", preferred_username="ada")
    assert (other.username, files.volume_of(other)) == ("ada-2", "ada-2")
    assert "formerly ada" in as_root.get(page).content.decode()


def test_former_username_is_never_given_to_anybody_else(ada, bob, as_root):
    renamed(ada, "countess")
    with pytest.raises(ValidationError, match="so it cannot be used again"):
        User.objects.create_user("ada")
    with pytest.raises(ValidationError, match="so it cannot be used again"):
        renamed(bob, "ada")
    page = f"/admin/portal/user/{bob.pk}/change/"
    answer = as_root.post(page, {**filled_in(as_root.get(page)), "username": "ada"})
    assert b"so it cannot be used again" in answer.content
    assert User.objects.get(pk=bob.pk).username == "bob"


def test_person_can_take_a_former_username_back_and_keeps_all_of_them(ada, backend):
    for name in ("countess", "ada", "ada.l"):
        ada = renamed(ada, name)
    assert set(started(backend, ada).former_names) == {"ada", "countess"}
    assert started(backend, renamed(ada, "ada")).former_names == (owner_slug("ada.l"), "countess")


def test_username_stays_taken_after_its_account_is_deleted(ada):
    ada.delete()
    with pytest.raises(ValidationError, match="so it cannot be used again"):
        User.objects.create_user("ada")


def test_username_can_be_reserved_only_once(ada):
    UsedName.objects.create(digest=digest("grace"), name="grace", user=ada)
    with pytest.raises(ValidationError, match="so it cannot be used again"):
        UsedName.objects.reserve("grace", User.objects.create_user("bob"))
    with pytest.raises(IntegrityError):
        UsedName.objects.create(digest=digest("grace"))


def test_usernames_with_the_same_label_get_different_volumes(ada, bob):
    User.objects.filter(pk=ada.pk).update(volume="bob")  # as if their labels were the same
    assert files.volume_of(bob) not in {"", "bob"}
    assert files.volume_of(User.objects.get(pk=bob.pk)) == files.volume_of(bob)
    Erasure.objects.create(username=digest("x"), volume="grace-nfs-pvc")
    assert files.volume_of(User.objects.create_user("grace")) != "grace"


def test_keys_are_renewed_and_forgotten_by_volume_after_a_rename(ada, root, backend):
    spec = started(backend, ada)
    sshkey.renew(renamed(ada, "countess").pk)
    assert list(backend.identities) == [spec.volume]
    erase_wholly(User.objects.get(pk=ada.pk), root)
    assert backend.identities == {}


def test_no_trace_of_a_former_username_remains_after_erasure(root, backend):
    person = User.objects.create_user("ada-lovelace", "ada@example.org", "her password")
    fill(person, root)
    started(backend, person)
    person = renamed(person, "countess")
    assert telling(["ada-lovelace"])
    erase_wholly(person, root)
    assert Erasure.objects.get().volume == "ada-lovelace-nfs-pvc"
    Erasure.objects.get().confirm_removal()
    assert telling(["ada-lovelace", "countess"]) == []
    for name in ("ada-lovelace", "countess"):
        with pytest.raises(ValidationError):
            User.objects.create_user(name)


@pytest.mark.parametrize("by_query", [False, True])
def test_person_renamed_during_erasure_is_erased_all_the_same(ada, root, backend, by_query):
    project_in(ProjectState.READY, ada)
    row = erase.erase(ada, root)
    if by_query:
        User.objects.filter(pk=ada.pk).update(username="countess")
    else:
        renamed(ada, "countess")
    erase.finish()
    assert erase.unfinished_erasures([row])
    assert erase.erase(User.objects.get(pk=ada.pk), root) == row
    stop_all()
    drop_all()
    erase.finish()
    assert User.objects.get(pk=ada.pk).username == f"erased-{ada.pk}"
    assert not erase.unfinished_erasures([row])
    assert Erasure.objects.get().volume == "ada-nfs-pvc"
    for name in ("ada", "countess"):
        with pytest.raises(ValidationError):
            User.objects.create_user(name)


def test_migration_sets_the_volume_that_each_username_led_to(ada, root, backend):
    erase_wholly(User.objects.create_user("eve"), root)
    upper = User.objects.create_user("Ada")
    UsedName.objects.filter(user__isnull=False).delete()
    User.objects.update(volume="")  # as code from before leaves it
    migration = importlib.import_module("portal.migrations.0011_volumes")
    migration.fill(apps, SimpleNamespace(connection=connection))
    kept = dict(User.objects.values_list("username", "volume"))
    assert kept["ada"] == "ada"
    assert kept["Ada"] == owner_slug("Ada")
    assert [volume for name, volume in kept.items() if name.startswith("erased-")] == [""]
    assert UsedName.objects.get(user=upper).name == "Ada"


def test_adopt_volume_takes_over_a_foreign_volume(ada, backend, capsys):
    backend.foreign_volumes["ada"] = "another one's"
    for _again in range(2):
        call_command("adopt_volume", "ada")
    first, second = capsys.readouterr().out.splitlines()
    assert first == "ada: “ada” is now their volume."
    assert "nothing to adopt" in second
    with pytest.raises(CommandError, match="no account called “grace”"):
        call_command("adopt_volume", "grace")
