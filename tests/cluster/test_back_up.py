"""A portal on the cluster is backed up by the script of the documentation, and restored."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.drill import servers
from tests.backends.waiting import until
from tests.cluster.kube import Kube, end_of, new_namespace, settings_for
from tests.cluster.release import made
from tests.cluster.test_installation import settings
from tests.stack import PROJECT

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.slow("a job for each volume, twice, and the portal's image", seconds=600),
]

WROTE = "cd /volume && mkdir -p .bindery/projects/x/.git && echo mine >notes && chmod 600 notes"
WROTE += " && chown -R 1000:1000 ."
LABELS = {"app.kubernetes.io/managed-by": "bindery", "bindery/kind": "volume"}


@dataclass
class Portal:
    """A namespace with a portal's objects, and its database; no process of it runs."""

    kube: Kube
    image: str
    database: str
    data: Path

    def script(self, *words: str, **variables: str) -> tuple[int, str]:
        known = {"NAMESPACE": self.kube.namespace, "IMAGE": self.image, "SIZE": "1G", "CHOWN": "1"}
        done = subprocess.run(
            [PROJECT / "deploy/kubernetes/backups", *words],
            env={**os.environ, **known, **variables}, capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def manage(self, *words: str) -> str:
        variables = {"DATABASE_URL": self.database, "PORTAL_DATA": str(self.data)}
        return subprocess.check_output(
            [sys.executable, PROJECT / "manage.py", *words],
            env={**os.environ, **variables}, text=True,
        )  # fmt: skip

    def claim(self, name: str, labels: dict[str, str]) -> None:
        wants = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1G"}}}
        claim = {"metadata": {"name": name, "labels": labels}, "spec": wants}
        self.kube.core.create_namespaced_persistent_volume_claim(self.kube.namespace, claim)

    def remove_claim(self, name: str) -> None:
        core, namespace = self.kube.core, self.kube.namespace
        core.delete_namespaced_persistent_volume_claim(name, namespace)
        only = {"field_selector": f"metadata.name={name}"}
        listed = core.list_namespaced_persistent_volume_claim
        until(lambda: not listed(namespace, **only).items)

    def in_volume(self, name: str, command: str) -> str:
        """Give the volume to uid 1000, as for notebooks, run a shell command in a pod with it, and
        return the output.
        """
        core, namespace = self.kube.core, self.kube.namespace
        container = {
            "name": "shell", "image": self.image,
            "command": ["sh", "-c", f"chown 1000 /volume; {command}"],
            "securityContext": {"runAsUser": 0},
            "volumeMounts": [{"name": "volume", "mountPath": "/volume"}],
        }  # fmt: skip
        volume = {"name": "volume", "persistentVolumeClaim": {"claimName": name}}
        spec = {"restartPolicy": "Never", "containers": [container], "volumes": [volume]}
        pod = f"shell-{secrets.token_hex(3)}"
        core.create_namespaced_pod(namespace, {"metadata": {"name": pod}, "spec": spec})
        until(lambda: end_of(self.kube, pod))
        said: str = core.read_namespaced_pod_log(pod, namespace)
        core.delete_namespaced_pod(pod, namespace, grace_period_seconds=0)
        return said


@pytest.fixture
def portal(kube: Kube, tmp_path: Path) -> Iterator[Portal]:
    image = made(kube, "portal")
    with ExitStack() as ends:
        place = ends.enter_context(new_namespace())
        _server, database = ends.enter_context(servers.postgres(kube.own_address()))
        portal = Portal(place, image, database, tmp_path / "data")
        known = {"DATABASE_URL": database, "PORTAL_SECRET_KEY": secrets.token_hex(32)}
        known |= {"PORTAL_ENCRYPTION_KEYS": secrets.token_hex(32)}
        wanted = settings(
            {"PORTAL_BACKEND": "", "PORTAL_REGISTRY": ""}, settings_for(place, tmp_path)
        )
        make_secret = place.core.create_namespaced_secret
        make_secret(place.namespace, {"metadata": {"name": "bindery-secrets"}, "stringData": known})
        make_settings = place.core.create_namespaced_config_map
        make_settings(place.namespace, {"metadata": {"name": "bindery-settings"}, "data": wanted})
        portal.manage("migrate", "-v0")
        portal.claim("bindery-backups", {})
        for name in ("ada", "bob"):
            portal.claim(f"{name}-nfs-pvc", {**LABELS, "bindery/owner": name})
            portal.in_volume(f"{name}-nfs-pvc", WROTE)
        yield portal


def test_database_and_volumes_are_restored(portal: Portal) -> None:
    people = (
        "from portal.models import User; print(*User.objects.values_list('username', flat=True))"
    )
    portal.manage("shell", "-c", "from portal.models import User; User.objects.create_user('ada')")

    status, said = portal.script("back-up", "one")
    assert status == 0, said
    assert "ada-nfs-pvc.tar: 5 files and folders, 5 bytes" in said
    assert "The backup is in /backups/one/portal" in said

    portal.manage("shell", "-c", "from portal.models import User; User.objects.create_user('eve')")
    portal.in_volume("bob-nfs-pvc", "echo later >/volume/notes")
    portal.kube.core.delete_namespaced_persistent_volume_claim("ada-nfs-pvc", portal.kube.namespace)

    status, said = portal.script("restore", "one")
    assert (status, "in use" in said) == (1, True), said
    status, said = portal.script("restore", "one", FORCE="1")
    assert status == 0, said
    assert portal.manage("shell", "-c", people).split()[-1] == "ada"
    assert portal.in_volume(
        "ada-nfs-pvc", "cat /volume/notes; ls -d /volume/.bindery/projects/x/.git"
    ) == ("mine\n/volume/.bindery/projects/x/.git\n")
    assert portal.in_volume("bob-nfs-pvc", "cat /volume/notes /volume/.before-restore-*/notes") == (
        "mine\nlater\n"
    )


def test_one_volume_is_restored_and_a_damaged_backup_is_refused(portal: Portal) -> None:
    status, said = portal.script("back-up", "hers", "ada")
    assert status == 0, said
    portal.in_volume("ada-nfs-pvc", "rm -r /volume/notes /volume/.bindery")
    assert portal.script("restore", "hers", "ada")[0] == 0
    assert portal.in_volume("ada-nfs-pvc", "cat /volume/notes") == "mine\n"
    portal.in_volume("bindery-backups", "echo x >>/volume/hers/ada-nfs-pvc.tar")
    status, said = portal.script("restore", "hers", "ada", FORCE="1")
    assert (status, "differs from the backup" in said) == (1, True), said
    assert portal.in_volume("ada-nfs-pvc", "cat /volume/notes") == "mine\n"
