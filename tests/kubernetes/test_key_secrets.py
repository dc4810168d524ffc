"""The Secrets with people's keys, and which containers can reach them: compared whole."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from keys.keypairs import SshIdentity
from sessions.backends.kubernetes import keysecret, serverpod
from sessions.backends.kubernetes.buildpod import build_pod
from tests.kubernetes.things import BARE, BUILD, FULL, SERVER, containers

PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nada's own\n-----END OPENSSH PRIVATE KEY-----\n"
ADA = SshIdentity(
    PRIVATE, "ssh-ed25519 AAAAada ada@bindery", "git.example.org ssh-ed25519 AAAAhost\n"
)
BOB = SshIdentity(PRIVATE, "ssh-ed25519 AAAAbob bob@bindery")
RUN = {"metadata": {"name": "ada-flowers-lrkajvgx-9", "uid": "uid-1"}}
OWN = replace(SERVER, identity=ADA)
SECRET_BUILD = replace(BUILD, url="ssh://git@git.example.org/ada/flowers", identity=ADA)
CONFIGURATION = """\
Host *
    IdentityFile /run/bindery/ssh/ssh.priv
    IdentityFile ~/.ssh/id_ed25519
    IdentityFile ~/.ssh/id_ecdsa
    IdentityFile ~/.ssh/id_rsa
    GlobalKnownHostsFile /run/bindery/ssh/known_hosts /etc/ssh/ssh_known_hosts
    StrictHostKeyChecking accept-new
"""


def test_a_persons_key_secret_is_owned_by_the_secrets_of_their_runs():
    assert keysecret.person_secret("ada", ADA, RUN) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "ada-ssh-key",
            "labels": {
                "app.kubernetes.io/managed-by": "bindery",
                "bindery/kind": "key",
                "bindery/owner": "ada",
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "name": "ada-flowers-lrkajvgx-9",
                    "uid": "uid-1",
                }
            ],
        },
        "stringData": {
            "ssh.priv": PRIVATE,
            "ssh.pub": "ssh-ed25519 AAAAada ada@bindery\n",
            "known_hosts": "git.example.org ssh-ed25519 AAAAhost\n",
            "ssh_config": CONFIGURATION,
        },
    }


def test_a_private_build_has_its_own_key_secret_owned_by_its_pod():
    assert keysecret.build_secret(7, ADA) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "build-7-key",
            "labels": {
                "app.kubernetes.io/managed-by": "bindery",
                "bindery/kind": "key",
                "bindery/build": "7",
            },
        },
        "stringData": {
            "ssh.priv": PRIVATE,
            "known_hosts": "git.example.org ssh-ed25519 AAAAhost\n",
        },
    }
    pod = {"metadata": {"name": "build-7", "uid": "uid-2"}}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "build-7", "uid": "uid-2"}
    assert keysecret.owner_patch(pod) == {"metadata": {"ownerReferences": [owner]}}


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the volumes and mounts that only the first pod has; assert that all else is equal."""
    one, other = copy.deepcopy(ours), copy.deepcopy(theirs)
    volumes = [each for each in one["spec"]["volumes"] if each not in other["spec"]["volumes"]]
    one["spec"]["volumes"] = other["spec"]["volumes"]
    mounts = []
    for name, container in containers(one).items():
        old = containers(other)[name]["volumeMounts"]
        mounts += [(name, each) for each in container["volumeMounts"] if each not in old]
        container["volumeMounts"] = old
    assert one == other
    return mounts, volumes


@pytest.mark.parametrize("site", [BARE, FULL])
def test_a_notebook_mounts_the_key_in_home_and_in_the_ssh_configuration(site):
    mounts, volumes = differences(
        serverpod.pod(OWN, site, "uid-1"), serverpod.pod(SERVER, site, "uid-1")
    )
    assert mounts == [
        ("notebook", {"name": "ssh-key", "mountPath": "/run/bindery/ssh", "readOnly": True}),
        (
            "notebook",
            {
                "name": "ssh-key",
                "mountPath": "/etc/ssh/ssh_config.d/bindery.conf",
                "subPath": "ssh_config",
                "readOnly": True,
            },
        ),
        ("notebook", {"name": "ssh-own", "mountPath": "/home/jovyan/.ssh"}),
    ]
    assert volumes == [
        {"name": "ssh-key", "secret": {"secretName": "ada-ssh-key", "defaultMode": 0o440}},
        {"name": "ssh-own", "emptyDir": {}},
    ]


@pytest.mark.parametrize("site", [BARE, FULL])
def test_only_the_fetch_container_mounts_the_key(site):
    other = replace(SECRET_BUILD, identity=None)
    specs = (replace(spec, ref="") for spec in (SECRET_BUILD, other))  # no layers are kept
    mounts, volumes = differences(*(build_pod(spec, site) for spec in specs))
    assert mounts == [
        ("fetch", {"name": "ssh-key", "mountPath": "/run/bindery/key", "readOnly": True})
    ]
    assert volumes == [
        {"name": "ssh-key", "secret": {"secretName": "build-7-key", "defaultMode": 0o440}}
    ]


@pytest.mark.parametrize("site", [BARE, FULL])
def test_the_key_is_only_in_the_secrets(site):
    assert "ada's own" in str(keysecret.person_secret("ada", ADA, RUN))
    assert "ada's own" in str(keysecret.build_secret(7, ADA))
    assert "ada's own" not in str(serverpod.pod(OWN, site, "uid-1"))
    assert "ada's own" not in str(serverpod.secret(OWN))
    assert "ada's own" not in str(build_pod(SECRET_BUILD, site))
    assert "ada's own" not in repr(OWN) + repr(SECRET_BUILD)


def test_a_pod_template_cannot_replace_the_key_volume():
    theirs = {
        "volumes": [{"name": "ssh-key", "secret": {"secretName": "bob-ssh-key"}}],
        "containers": [
            {
                "name": "notebook",
                "volumeMounts": [{"name": "datasets", "mountPath": "/datasets"}],
            }
        ],
    }
    site = replace(BARE, pod_template={"spec": theirs})
    pod = serverpod.pod(OWN, site, "uid-1")
    secrets = {each["name"]: each.get("secret", {}) for each in pod["spec"]["volumes"]}
    assert secrets["ssh-key"]["secretName"] == "ada-ssh-key"
    mounts = {each["mountPath"] for each in containers(pod)["notebook"]["volumeMounts"]}
    assert {"/datasets", "/run/bindery/ssh", "/home/jovyan/.ssh"} <= mounts


def cache(identity: SshIdentity | None) -> str:
    pod = build_pod(replace(SECRET_BUILD, identity=identity), BARE)
    env = containers(pod)["build"]["env"]
    return next(str(each["value"]) for each in env if each["name"] == "BUILD_CACHE")


def test_layers_of_a_private_repository_are_cached_per_key():
    assert len({cache(ADA), cache(BOB), cache(None)}) == 3
    renamed = replace(ADA, public="ssh-ed25519 AAAAada lovelace@bindery")
    assert cache(renamed) == cache(ADA)
    assert "AAAAada" not in cache(ADA)
