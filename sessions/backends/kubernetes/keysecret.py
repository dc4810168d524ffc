"""People's SSH keys in the cluster, as pure functions: Secrets, and how pods get at them.

A person who has notebooks has one Secret, which belongs to those of their runs: the cluster
removes it with the last of them. A private build has one of its own, which belongs to its pod.
Neighbours: `serverpod` and `buildpod`, whose pods mount them, and `backend`, which makes them.
"""

from __future__ import annotations

import hashlib
from typing import Any

from keys.keypairs import Identity
from sessions.backends import BuildSpec

from .labels import build_key_labels, build_key_name, key_labels, key_name

FOLDER = "/run/bindery/ssh"
"""In a notebook: the Secret as it is now. The kubelet follows its changes there."""
BUILD_FOLDER = "/run/bindery/key"
"""In the container that fetches."""
OWN = "/home/jovyan/.ssh"
"""The person's own folder; what `LINKS` puts there leads into `FOLDER`."""

_PRIVATE, _PUBLIC, _KNOWN, _CONFIG = "ssh.priv", "ssh.pub", "known_hosts", "ssh_config"
_SYSTEM = "/etc/ssh/ssh_config.d/bindery.conf"
_VOLUME, _OWN_VOLUME = "ssh-key", "ssh-own"

# A person's further keys come after it, where ssh looks by itself when it is told of none.
CONFIGURATION = f"""\
Host *
    IdentityFile {FOLDER}/{_PRIVATE}
    IdentityFile ~/.ssh/id_ed25519
    IdentityFile ~/.ssh/id_ecdsa
    IdentityFile ~/.ssh/id_rsa
    GlobalKnownHostsFile {FOLDER}/{_KNOWN} /etc/ssh/ssh_known_hosts
    StrictHostKeyChecking accept-new
"""

# Links, and not mounts of single files: those would keep the key that there was at the start. An
# ssh of conda's reads nothing below /etc, but the person's own configuration.
LINKS = f"""
if [ -d {FOLDER} ]; then (
    umask 077
    cd {OWN} || exit
    ln -sf {FOLDER}/{_PRIVATE} {FOLDER}/{_PUBLIC} .
    [ -e config ] || echo 'Include {FOLDER}/{_CONFIG}' >config
) fi
"""


def of_person(volume: str, identity: Identity, run: dict[str, Any]) -> dict[str, Any]:
    """The Secret with all that ssh needs in the notebooks of the person with this volume.

    ``run`` is the Secret of a run for which it is wanted, as the cluster has it.
    """
    metadata = run["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": key_name(volume),
            "labels": key_labels(volume),
            "ownerReferences": [_owner("Secret", metadata["name"], metadata["uid"])],
        },
        **renewed(identity),
    }


def renewed(identity: Identity) -> dict[str, Any]:
    """The change of a person's Secret that brings other keys."""
    texts = {
        _PRIVATE: identity.private,
        _PUBLIC: f"{identity.public.rstrip()}\n",
        _KNOWN: identity.known_hosts,
        _CONFIG: CONFIGURATION,
    }
    return {"stringData": texts}


def mark(identity: Identity) -> str:
    """What tells these keys from others, and nothing of them."""
    return hashlib.sha256(f"{identity.public}\0{identity.known_hosts}".encode()).hexdigest()[:16]


def of_build(build_id: int, identity: Identity) -> dict[str, Any]:
    """The Secret with what it takes to fetch a private repository."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": build_key_name(build_id), "labels": build_key_labels(build_id)},
        "stringData": {_PRIVATE: identity.private, _KNOWN: identity.known_hosts},
    }


def belonging_to(pod: dict[str, Any]) -> dict[str, Any]:
    """The change of a build's Secret by which it is removed with this pod."""
    metadata = pod["metadata"]
    return {"metadata": {"ownerReferences": [_owner("Pod", metadata["name"], metadata["uid"])]}}


def _owner(kind: str, name: str, uid: str) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}


def server_mounts() -> list[dict[str, Any]]:
    return [
        {"name": _VOLUME, "mountPath": FOLDER, "readOnly": True},
        {"name": _VOLUME, "mountPath": _SYSTEM, "subPath": _CONFIG, "readOnly": True},
        {"name": _OWN_VOLUME, "mountPath": OWN},
    ]


def server_volumes(volume: str) -> list[dict[str, Any]]:
    """The files are root's and for the pod's group to read: ssh finds fault with the mode of
    a key only where it is the reader's own."""
    return [
        {"name": _VOLUME, "secret": {"secretName": key_name(volume), "defaultMode": 0o440}},
        {"name": _OWN_VOLUME, "emptyDir": {}},
    ]


def build_mounts() -> list[dict[str, Any]]:
    return [{"name": _VOLUME, "mountPath": BUILD_FOLDER, "readOnly": True}]


def build_volumes(spec: BuildSpec) -> list[dict[str, Any]]:
    if spec.identity is None:
        return []
    secret = {"secretName": build_key_name(spec.id), "defaultMode": 0o440}
    return [{"name": _VOLUME, "secret": secret}]
