"""The labels that identify our objects in the cluster, and the names of objects.

The labels are a contract: operators select by them. Names contain the row's number, so that
creating a thing twice makes one.
"""

from __future__ import annotations

from sessions.backends import BuildSpec, ServerSpec

MANAGED = "app.kubernetes.io/managed-by"
KIND = "bindery/kind"
PROJECT = "bindery/project"
OWNER = "bindery/owner"
"""The name of the person's volume: their first username here, which stays if they are renamed."""
BUILD = "bindery/build"
SESSION = "bindery/session"
INSTALLATION = "bindery/installation"
"""The owning installation: `Cluster.create` puts it on everything (see `namespace`)."""
TASK = "bindery/task"
FILES = "files"
"""The task of helpers that serve a person's files; network policies select it."""
NONCE = "bindery/nonce"
"""An annotation: what the portal makes the token for a person's files from."""
KEYS_HASH = "bindery/keys"
"""An annotation: identifies the keys that the Secret was last updated with."""
GPU_RESOURCE = "bindery/gpu-resource"
"""An annotation: the name of a notebook's GPUs in the cluster, if a profile sets it."""
REQUESTED_ACTION = "bindery/told"
"""An annotation: the command that was given, `CANCEL` or `STOP`."""
CANCEL = "cancel"
STOP = "stop"

OURS = f"{MANAGED}=bindery"


def _of_kind(kind: str) -> str:
    """Return the selector of all our objects of a kind: build, server, volume, key or helper."""
    return f"{OURS},{KIND}={kind}"


BUILDS = f"{_of_kind('build')},{BUILD}"
BUILD_KEYS = f"{_of_kind('key')},{BUILD}"
SERVERS = f"{_of_kind('server')},{SESSION}"
"""Selects everything that carries a notebook's row number."""
VOLUMES = f"{_of_kind('volume')},{OWNER}"
HELPERS = _of_kind("helper")
FILES_HELPERS = f"{HELPERS},{TASK}={FILES}"


def build_labels(spec: BuildSpec) -> dict[str, str]:
    """Return the labels of a build's pod."""
    return {MANAGED: "bindery", KIND: "build", BUILD: str(spec.id)}


def server_labels(spec: ServerSpec) -> dict[str, str]:
    """Return the labels of a notebook's pod and Secret."""
    return {
        MANAGED: "bindery",
        KIND: "server",
        SESSION: str(spec.id),
        PROJECT: spec.name,
        OWNER: spec.volume,
    }


def volume_labels(volume: str) -> dict[str, str]:
    """Return the labels of a person's volume claim."""
    return {MANAGED: "bindery", KIND: "volume", OWNER: volume}


def key_labels(volume: str) -> dict[str, str]:
    """Return the labels of the Secret with a person's keys."""
    return {MANAGED: "bindery", KIND: "key", OWNER: volume}


def build_key_labels(build_id: int) -> dict[str, str]:
    """Return the labels of the Secret with a build's key."""
    return {MANAGED: "bindery", KIND: "key", BUILD: str(build_id)}


def helper_labels(task: str, project: str, volume: str) -> dict[str, str]:
    """Return the labels of a pod that works on a folder while nothing of its project runs."""
    return {MANAGED: "bindery", KIND: "helper", TASK: task, PROJECT: project, OWNER: volume}


def files_labels(volume: str) -> dict[str, str]:
    """Return the labels of the pod that serves a person's files to the portal."""
    return {MANAGED: "bindery", KIND: "helper", TASK: FILES, OWNER: volume}


def program_labels() -> dict[str, str]:
    """Return the labels of the ConfigMap with the program that pods run."""
    return {MANAGED: "bindery", KIND: "program"}


def build_name(build_id: int) -> str:
    """Return the name of a build's pod."""
    return f"build-{build_id}"


def server_name(spec: ServerSpec) -> str:
    """Return the name of a notebook's pod and Secret: the project's name and the run's number.

    The project's name keeps an object that a restored database has forgotten from being taken for
    one of another project that came to the same number.
    """
    return f"{spec.name}-{spec.id}"


def volume_name(volume: str) -> str:
    """Return the name of the claim of the person's volume with this name.

    A notebook mounts it at a path made from its person's name.
    """
    return f"{volume}-nfs-pvc"


def key_name(volume: str) -> str:
    """Return the name of the Secret with the keys of the person who has this volume.

    It is unlike that of a run's Secret, which ends in a number.
    """
    return f"{volume}-ssh-key"


def build_key_name(build_id: int) -> str:
    """Return the name of the Secret with a build's key."""
    return f"{build_name(build_id)}-key"


def helper_name(task: str, project: str) -> str:
    """Return the name of the helper pod that does ``task`` in the folder of this project."""
    return f"helper-{task}-{project}"
