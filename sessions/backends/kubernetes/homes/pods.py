"""Make the parts of a notebook's pod that keep its files, and the helper's pod. Pure functions.

The notebook's own pod has an init container that fills or merges the kept folder: it has the
image's files at hand, the volume is on its node already, and no second pod has to be scheduled.
Work to be done while nothing runs goes to a helper pod. Neighbours: `serverpod`, which uses the
parts; `errands`, which runs helpers; `settle` and `helper`, which run inside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sessions.backends import ServerSpec
from sessions.backends.kubernetes.labels import OURS, OWNER, helper_labels, helper_name, volume_name
from sessions.backends.kubernetes.site import Site, merged

from . import program
from .folders import HOMES
from .settle import SOURCE, VOLUME

CONTAINER = "bindery-files"
USER = 1000
SECONDS = 600
"""A helper's time limit."""
RIGHTS: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "capabilities": {"drop": ["ALL"]},
}
_SCHEDULING = ("nodeSelector", "tolerations", "priorityClassName", "schedulerName", "affinity")
"""Keys of an operator's pod template that say where people's volumes can be mounted."""


def mount(name: str) -> dict[str, Any]:
    """Return the mount of the kept folder in the project's notebook."""
    return {"name": "home", "mountPath": SOURCE, "subPath": "/".join((*HOMES, name))}


def settling(spec: ServerSpec, site: Site) -> dict[str, Any]:
    """Return the init container that prepares the kept folder.

    It has the notebook's image and rights.
    """
    return {
        "name": CONTAINER,
        "image": site.reference(spec.image, spec.digest),
        "command": [*program.SETTLE, spec.name, spec.commit],
        "resources": site.machine_resources(replace(spec.resources, gpu=0)),
        "securityContext": RIGHTS,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "home", "mountPath": VOLUME}, program.mount()],
    }


def helper(task: str, project: str, volume: str, site: Site) -> dict[str, Any]:
    """Return the pod that works on a project's folder while nothing of it runs."""
    ours = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": helper_name(task, project),
            "labels": helper_labels(task, project, volume),
        },
        "spec": {
            "hostname": "helper",
            "restartPolicy": "Never",
            "activeDeadlineSeconds": SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": rights_of_pod(site),
            "containers": [_helping(task, project, site)],
            "volumes": [home(volume), program.volume()],
            **site.pull_secrets,
            **together(volume, site),
        },
    }
    template = site.pod_template.get("spec") or {}
    where = {key: template[key] for key in _SCHEDULING if key in template}
    result: dict[str, Any] = merged({"spec": where}, ours)
    return result


def _helping(task: str, project: str, site: Site) -> dict[str, Any]:
    return {
        "name": "helper",
        "image": site.builder_image,
        "command": [*program.HELP, task, project],
        "resources": {
            "requests": {"cpu": "10m", "memory": "32M", "ephemeral-storage": "1M"},
            "limits": {"cpu": "500m", "memory": "256M", "ephemeral-storage": "10M"},
        },
        "securityContext": {**RIGHTS, "readOnlyRootFilesystem": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "home", "mountPath": VOLUME}, program.mount()],
    }


def rights_of_pod(site: Site) -> dict[str, Any]:
    """Return the security context of all pods that have a person's volume."""
    return {
        "runAsUser": USER,
        "runAsGroup": USER,
        "runAsNonRoot": True,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "supplementalGroups": [100],  # to which Jupyter's own images give their files
        "seccompProfile": site.seccomp,
    }


def home(volume: str) -> dict[str, Any]:
    """Return the volume of a person's claim."""
    return {"name": "home", "persistentVolumeClaim": {"claimName": volume_name(volume)}}


def together(volume: str, site: Site) -> dict[str, Any]:
    """Return the affinity that keeps all pods of a person on one node.

    Empty unless the volume can be mounted by one node only.
    """
    if site.volume_access != "ReadWriteOnce":
        return {}
    key, value = OURS.split("=")
    term = {
        "labelSelector": {"matchLabels": {key: value, OWNER: volume}},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}
