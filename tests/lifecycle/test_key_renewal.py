"""A replaced SSH key reaches its owner's running notebooks, whatever happens meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys import keypairs
from keys.models import KeyPair
from portal.models import User
from sessions import lifecycle
from sessions.backends import ServerSpec
from sessions.errors import UserError
from sessions.lifecycle import sshkey, steps
from sessions.models import Project, Session
from sessions.states import ProjectState
from sessions.watch.reconcile import reconcile
from tests.scripted import ScriptedBackend

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_an_accepted_launch_creates_a_key_pair(
    ada: User, bob: User, backend: ScriptedBackend
) -> None:
    with pytest.raises(UserError):
        lifecycle.launch(bob, "this is no address")
    lifecycle.launch(ada, "ada/flowers")
    assert [pair.user for pair in KeyPair.objects.all()] == [ada]


def test_the_notebook_starts_with_the_owners_key(project, bring_up, backend) -> None:
    running = bring_up(project)
    given = backend.started_servers[running.current.pk].identity
    pair = KeyPair.objects.get()
    assert given.public == pair.public
    assert given.private == keypairs.private_key(pair)
    assert backend.identities == {}  # nothing to renew


def test_a_running_notebook_gets_the_replacement_key(
    ada, project, bring_up, backend, worker
) -> None:
    bring_up(project)
    pair = sshkey.replace_key_pair(ada)
    assert worker.run().count("renew_identity") == 1
    assert backend.identities["ada"].public == pair.public


class Slow(ScriptedBackend):
    """A back end that is slow to start a notebook: the key is replaced meanwhile."""

    owner: User

    def ensure_server(self, spec: ServerSpec) -> None:
        if spec.id not in self.server_reports:
            keypairs.rotate(self.owner)
        super().ensure_server(spec)


def test_a_key_replaced_while_the_notebook_starts_is_delivered(
    ada, project, bring_up, backend
) -> None:
    backend.__class__, backend.owner = Slow, ada
    running = bring_up(project)
    given = backend.started_servers[running.current.pk].identity
    assert given.public != KeyPair.objects.get().public
    assert backend.identities["ada"].public == KeyPair.objects.get().public


class Interrupted(ScriptedBackend):
    """A back end in which the key is replaced once more while it is renewed."""

    owner: User

    def renew_identity(self, owner, identity) -> None:
        if not self.identities:
            keypairs.rotate(self.owner)
        super().renew_identity(owner, identity)


def test_the_last_of_several_replacement_keys_wins(ada, project, bring_up, backend) -> None:
    bring_up(project)
    backend.__class__, backend.owner = Interrupted, ada
    sshkey.renew(ada.pk)
    assert backend.identities["ada"].public == KeyPair.objects.get().public


def test_reconcile_repeats_a_lost_renewal(ada, project, bring_up, backend, worker) -> None:
    bring_up(project)
    pair = sshkey.replace_key_pair(ada)
    worker.lose()
    reconcile()
    assert worker.run().count("renew_identity") == 1
    assert backend.identities["ada"].public == pair.public


def test_reconcile_renews_only_recently_replaced_keys(
    ada, project, bring_up, backend, worker
) -> None:
    bring_up(project)
    reconcile()
    assert "renew_identity" not in worker.run()  # the key is older than the notebook
    sshkey.replace_key_pair(ada)
    worker.run()
    KeyPair.objects.update(created=timezone.now() - timedelta(hours=2))
    Session.objects.update(created=timezone.now() - timedelta(hours=3))
    reconcile()
    assert "renew_identity" not in worker.run()


def test_a_task_for_a_missing_user_does_nothing(backend) -> None:
    sshkey.renew(987_654)
    assert backend.identities == {}


def test_an_unreadable_key_fails_the_launch_without_retries(
    ada, project, worker, watch, backend, settings
) -> None:
    worker.run()
    for build in backend.started_builds.values():
        backend.finish(build.id)
    KeyPair.objects.update(sealed="gAAAAA-of-another-key")
    watch.look()
    worker.run()
    failed = Project.objects.get(pk=project.pk)
    assert failed.state == ProjectState.FAILED
    assert failed.current.code == "ssh-key.unreadable"
    assert "Replace it on your account page" in failed.current.message

    sshkey.replace_key_pair(ada)
    worker.run()
    lifecycle.start(failed, ada)
    worker.run()
    steps.spawn(Session.objects.latest("pk").pk)
    assert backend.started_servers
