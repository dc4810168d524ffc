"""The tests' SSH server admits the right keys, so that a refusal means something."""

from __future__ import annotations

from keys import keypairs
from portal.models import User
from tests.sshd import SshServer


def test_a_key_reads_only_the_repositories_it_was_given(ada: User, bob: User) -> None:
    of_ada, of_bob = keypairs.ensure(ada), keypairs.ensure(bob)
    with SshServer() as server:
        commit = server.repository("ada/secret", {"index.ipynb": "{}"})
        server.repository("ada/diary", {"index.ipynb": "{}"})
        server.allow(of_ada.public, "ada/secret")

        assert len(commit) == 40
        assert server.reads(keypairs.private_key(of_ada), "ada/secret")
        assert not server.reads(keypairs.private_key(of_ada), "ada/diary")
        assert not server.reads(keypairs.private_key(of_bob), "ada/secret")

        server.forbid(of_ada.public)
        assert not server.reads(keypairs.private_key(of_ada), "ada/secret")
