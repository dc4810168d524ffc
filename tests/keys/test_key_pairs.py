"""A person's SSH key pair: made once, replaced on demand, and readable by nobody but the portal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from keys import keypairs
from keys.models import KeyPair
from keys.sealing import UnsealError
from portal.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def test_a_key_pair_is_created_once(ada: User) -> None:
    assert keypairs.ensure(ada) == keypairs.ensure(ada)
    assert KeyPair.objects.count() == 1


def test_openssh_reads_both_halves_and_they_match(ada: User, tmp_path: Path) -> None:
    pair = keypairs.ensure(ada)
    private, public = tmp_path / "key", tmp_path / "key.pub"
    private.touch(0o600)
    private.write_text(keypairs.private_key(pair))
    public.write_text(pair.public)

    def keygen(*words: str | Path) -> str:
        done = subprocess.run(["ssh-keygen", *words], capture_output=True, text=True, check=True)
        return done.stdout

    assert keygen("-y", "-f", private).split()[:2] == pair.public.split()[:2]
    assert keygen("-l", "-f", public).split() == [
        "256", pair.fingerprint, "ada@bindery", "(ED25519)"
    ]  # fmt: skip
    assert pair.type == "ssh-ed25519"


def test_rotating_replaces_the_old_key_pair(ada: User) -> None:
    before = keypairs.ensure(ada)
    old = keypairs.private_key(before)
    after = keypairs.rotate(ada)
    assert after.pk == before.pk
    assert after.fingerprint != before.fingerprint
    assert after.created > before.created
    assert keypairs.private_key(after) != old


def test_rotating_without_a_key_pair_creates_one(ada: User) -> None:
    assert keypairs.rotate(ada) == keypairs.ensure(ada)


def test_a_database_copy_does_not_reveal_the_private_key(ada: User, settings) -> None:
    pair = keypairs.ensure(ada)
    assert "PRIVATE KEY" not in "".join(map(str, KeyPair.objects.values_list().get()))
    settings.PORTAL_ENCRYPTION_KEYS = ["another key, as long as a key has to be"]
    with pytest.raises(UnsealError):
        keypairs.private_key(pair)


def test_the_repr_of_an_identity_hides_the_private_key(ada: User) -> None:
    from keys.keypairs import identity_of

    assert "PRIVATE KEY" not in repr(identity_of(ada))
