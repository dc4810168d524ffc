"""The labels by which everything of ours in the cluster is found, and the names of objects.

The labels are a contract (DESIGN, "Labels on Kubernetes objects"): operators select by them.
Names bear the row's number, so that making a thing twice makes one.
"""

from __future__ import annotations

from sessions.backends import BuildSpec, ServerSpec

MANAGED = "app.kubernetes.io/managed-by"
KIND = "bindery/kind"
PROJECT = "bindery/project"
OWNER = "bindery/owner"
"""The name of the person's volume: the name that they had first, which stays when it changes."""
BUILD = "bindery/build"
SESSION = "bindery/session"
INSTALLATION = "bindery/installation"
"""Whose it is: `Cluster.create` puts it on everything that is made (see `namespace`)."""
TASK = "bindery/task"
KEYS = "bindery/keys"
"""An annotation: with which keys it was renewed last, by their mark."""
TOLD = "bindery/told"
"""An annotation: what was wished of the thing since, `CANCEL` or `STOP`."""
CANCEL = "cancel"
STOP = "stop"

OURS = f"{MANAGED}=bindery"


def _of_kind(kind: str) -> str:
    """The selector of all our objects of a kind: build, server, volume, key or helper."""
    return f"{OURS},{KIND}={kind}"


BUILDS = f"{_of_kind('build')},{BUILD}"
BUILD_KEYS = f"{_of_kind('key')},{BUILD}"
SERVERS = f"{_of_kind('server')},{SESSION}"
"""Selectors of what bears the number of its row."""
VOLUMES = f"{_of_kind('volume')},{OWNER}"
HELPERS = _of_kind("helper")


def build_labels(spec: BuildSpec) -> dict[str, str]:
    return {MANAGED: "bindery", KIND: "build", BUILD: str(spec.id)}


def server_labels(spec: ServerSpec) -> dict[str, str]:
    return {
        MANAGED: "bindery",
        KIND: "server",
        SESSION: str(spec.id),
        PROJECT: spec.name,
        OWNER: spec.volume,
    }


def volume_labels(volume: str) -> dict[str, str]:
    return {MANAGED: "bindery", KIND: "volume", OWNER: volume}


def key_labels(volume: str) -> dict[str, str]:
    return {MANAGED: "bindery", KIND: "key", OWNER: volume}


def build_key_labels(build_id: int) -> dict[str, str]:
    return {MANAGED: "bindery", KIND: "key", BUILD: str(build_id)}


def helper_labels(task: str, project: str, volume: str) -> dict[str, str]:
    """Return the labels of a pod that works on a folder while nothing of its project runs."""
    return {MANAGED: "bindery", KIND: "helper", TASK: task, PROJECT: project, OWNER: volume}


def program_labels() -> dict[str, str]:
    return {MANAGED: "bindery", KIND: "program"}


def build_name(build_id: int) -> str:
    return f"build-{build_id}"


def server_name(spec: ServerSpec) -> str:
    """Of the pod and of the Secret: the project's name, and which run of it this is.

    With the project's name in it, an object that a restored database has forgotten is never
    taken for one of another project that came to the same number.
    """
    return f"{spec.name}-{spec.id}"


def volume_name(volume: str) -> str:
    """Of the claim; a notebook shows the volume under a like name of its person's."""
    return f"{volume}-nfs-pvc"


def key_name(volume: str) -> str:
    """Of the Secret with a person's keys; that of a run ends in a number."""
    return f"{volume}-ssh-key"


def build_key_name(build_id: int) -> str:
    return f"{build_name(build_id)}-key"


def helper_name(task: str, project: str) -> str:
    return f"helper-{task}-{project}"
