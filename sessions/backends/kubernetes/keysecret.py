"""Make the Secrets with people's SSH keys, and the mounts that give them to pods. Pure functions.

A person who has notebooks has one Secret, which belongs to their runs: the cluster removes it with
the last of them. A private build has a Secret of its own, which belongs to its pod. Neighbours:
`serverpod` and `buildpod`, whose pods mount them, and `backend`, which creates them.
"""

from __future__ import annotations

import hashlib
from typing import Any

from keys.keypairs import SshIdentity
from sessions.backends import BuildSpec

from .labels import build_key_labels, build_key_name, key_labels, key_name

FOLDER = "/run/bindery/ssh"
"""In a notebook: the current Secret. The kubelet updates the files here."""
BUILD_FOLDER = "/run/bindery/key"
"""In the container that fetches the repository."""
USER_SSH_FOLDER = "/home/jovyan/.ssh"
"""The person's own folder; the links that `LINK_SCRIPT` puts there point into `FOLDER`."""

_PRIVATE, _PUBLIC, _KNOWN_HOSTS, _CONFIG = "ssh.priv", "ssh.pub", "known_hosts", "ssh_config"
_SYSTEM = "/etc/ssh/ssh_config.d/bindery.conf"
_VOLUME, _OWN_VOLUME = "ssh-key", "ssh-own"

# The person's other keys follow, in the places where ssh looks by default.
CONFIGURATION = f"""\
Host *
    IdentityFile {FOLDER}/{_PRIVATE}
    IdentityFile ~/.ssh/id_ed25519
    IdentityFile ~/.ssh/id_ecdsa
    IdentityFile ~/.ssh/id_rsa
    GlobalKnownHostsFile {FOLDER}/{_KNOWN_HOSTS} /etc/ssh/ssh_known_hosts
    StrictHostKeyChecking accept-new
"""

# Links, not mounts of single files: a mount would keep the key from the start. conda's ssh reads
# nothing below /etc, but it does read the person's own configuration.
LINK_SCRIPT = f"""
if [ -d {FOLDER} ]; then (
    umask 077
    cd {USER_SSH_FOLDER} || exit
    ln -sf {FOLDER}/{_PRIVATE} {FOLDER}/{_PUBLIC} .
    [ -e config ] || echo 'Include {FOLDER}/{_CONFIG}' >config
) fi
"""


def person_secret(volume: str, identity: SshIdentity, run: dict[str, Any]) -> dict[str, Any]:
    """Return the Secret with everything ssh needs in notebooks of the person with this volume.

    ``run`` is the Secret of a run that needs it, as the cluster has it.
    """
    metadata = run["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": key_name(volume),
            "labels": key_labels(volume),
            "ownerReferences": [_owner_reference("Secret", metadata["name"], metadata["uid"])],
        },
        **keys_patch(identity),
    }


def keys_patch(identity: SshIdentity) -> dict[str, Any]:
    """Return the patch of a person's Secret that replaces the keys."""
    texts = {
        _PRIVATE: identity.private,
        _PUBLIC: f"{identity.public.rstrip()}\n",
        _KNOWN_HOSTS: identity.known_hosts,
        _CONFIG: CONFIGURATION,
    }
    return {"stringData": texts}


def keys_hash(identity: SshIdentity) -> str:
    """Return a hash that tells these keys from others and reveals nothing of them."""
    return hashlib.sha256(f"{identity.public}\0{identity.known_hosts}".encode()).hexdigest()[:16]


def build_secret(build_id: int, identity: SshIdentity) -> dict[str, Any]:
    """Return the Secret with the key that fetches a private repository."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": build_key_name(build_id), "labels": build_key_labels(build_id)},
        "stringData": {_PRIVATE: identity.private, _KNOWN_HOSTS: identity.known_hosts},
    }


def owner_patch(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the patch of a build's Secret that has it removed with this pod."""
    metadata = pod["metadata"]
    return {
        "metadata": {
            "ownerReferences": [_owner_reference("Pod", metadata["name"], metadata["uid"])]
        }
    }


def _owner_reference(kind: str, name: str, uid: str) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}


def server_mounts() -> list[dict[str, Any]]:
    """Return the mounts of a notebook's container."""
    return [
        {"name": _VOLUME, "mountPath": FOLDER, "readOnly": True},
        {"name": _VOLUME, "mountPath": _SYSTEM, "subPath": _CONFIG, "readOnly": True},
        {"name": _OWN_VOLUME, "mountPath": USER_SSH_FOLDER},
    ]


def server_volumes(volume: str) -> list[dict[str, Any]]:
    """Return the volumes of a notebook's pod.

    The files belong to root and are readable by the pod's group: ssh checks the mode of a key only
    if the reader owns it.
    """
    return [
        {"name": _VOLUME, "secret": {"secretName": key_name(volume), "defaultMode": 0o440}},
        {"name": _OWN_VOLUME, "emptyDir": {}},
    ]


def build_mounts() -> list[dict[str, Any]]:
    """Return the mounts of the container that fetches."""
    return [{"name": _VOLUME, "mountPath": BUILD_FOLDER, "readOnly": True}]


def build_volumes(spec: BuildSpec) -> list[dict[str, Any]]:
    """Return the volumes of a build's pod; none for a public repository."""
    if spec.identity is None:
        return []
    secret = {"secretName": build_key_name(spec.id), "defaultMode": 0o440}
    return [{"name": _VOLUME, "secret": secret}]
