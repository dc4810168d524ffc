"""Make the parts of a notebook's pod that keep its files, and the helper's pod. Pure functions.

The notebook's own pod has an init container that fills or merges the kept folder: it has the
image's files at hand, the volume is on its node already, and no second pod has to be scheduled.
Work to be done while nothing runs goes to a helper pod. Neighbours: `serverpod`, which uses the
parts; `helper_pods`, which runs helpers; `prepare` and `helper`, which run inside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sessions.backends import ContentSpec, ServerSpec
from sessions.backends.kubernetes import keysecret
from sessions.backends.kubernetes.labels import (
    FILES,
    NONCE,
    OURS,
    OWNER,
    files_labels,
    helper_labels,
    helper_name,
    volume_name,
)
from sessions.backends.kubernetes.site import CA_FILE, CA_FOLDER, Site, merge_template
from sessions.providers import is_private

from . import program
from .folders import HOMES
from .prepare import (
    BUILT_START,
    CLONE,
    CONTENT_FOLDER,
    SOURCE,
    START_FOLDER,
    START_VARIABLE,
    VOLUME,
)

CONTAINER = "bindery-files"
CONTENT_CONTAINER = "bindery-content"
CONTENT_SECONDS = 300
"""How long fetching the content may take."""
USER = 1000
HELPER_SECONDS = 600
"""A helper's time limit."""
FILES_SECONDS = 2 * 3600
"""The time limit of a pod that serves files, and so of a download."""
CONTAINER_SECURITY_CONTEXT: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "capabilities": {"drop": ["ALL"]},
}
_CONTENT = "content"
_SCHEDULING = ("nodeSelector", "tolerations", "priorityClassName", "schedulerName", "affinity")
"""Keys of an operator's pod template that say where people's volumes can be mounted."""


START_MOUNT = {"name": "start", "mountPath": START_FOLDER}
"""The mount of the start script as it was built, for a start that decides about the build."""
BUILT_START_VARIABLES = {START_VARIABLE: f"{START_FOLDER}/{BUILT_START}"}


def home_mount(name: str) -> dict[str, Any]:
    """Return the mount of the kept folder in the project's notebook."""
    return {"name": "home", "mountPath": SOURCE, "subPath": "/".join((*HOMES, name))}


def prepare_container(spec: ServerSpec, site: Site) -> dict[str, Any]:
    """Return the init container that prepares the kept folder.

    It has the notebook's image and rights.
    """
    return {
        "name": CONTAINER,
        "image": site.reference(spec.image, spec.digest),
        "command": [*program.PREPARE_COMMAND, spec.name, spec.commit, *_content_words(spec)],
        "resources": site.container_resources(replace(spec.resources, gpu=0)),
        "securityContext": CONTAINER_SECURITY_CONTEXT,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "home", "mountPath": VOLUME},
            program.mount(),
            *([START_MOUNT] if spec.keeps_start else []),
            *([{"name": _CONTENT, "mountPath": CONTENT_FOLDER}] if spec.content else []),
        ],
    }


def _content_words(spec: ServerSpec) -> list[str]:
    content = spec.content
    if content is None:
        return []
    return [content.folder, content.commit, "1" if content.unless_puller else ""]


def content_container(spec: ServerSpec, content: ContentSpec, site: Site) -> dict[str, Any]:
    """Return the init container that clones the content into a volume of the pod.

    Only git runs in it, with the builder's image and, for a private repository, with the person's
    key. The next one merges the clone; without kept folders, it is the content's folder itself.
    """
    variables = {
        "BUILD_URL": content.url,
        "BUILD_COMMIT": content.commit,
        "BUILD_REF": content.ref,
        "BUILD_IMAGE": "",
        "BUILD_REPOSITORY_LIMIT": str(site.repository_limit),
        "BUILD_LOG_LIMIT": str(site.log_limit),
        "BUILD_PLAIN_HTTP": "1" if content.url.startswith("http://") else "",
        "BUILD_CA": CA_FILE if site.ca_configmap else "",
        "BUILD_SECONDS": str(CONTENT_SECONDS),
    }
    authority = {"name": "ca", "mountPath": CA_FOLDER, "readOnly": True}
    return {
        "name": CONTENT_CONTAINER,
        "image": site.builder_image,
        "command": ["bindery-build", "content" if site.keep_homes else "fetch"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "resources": site.container_resources(replace(spec.resources, gpu=0)),
        "securityContext": CONTAINER_SECURITY_CONTEXT,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": _CONTENT, "mountPath": "/build"},
            *([authority] if site.ca_configmap else []),
            *(keysecret.build_mounts() if is_private(content.url) else []),
        ],
    }


def content_volume(site: Site) -> dict[str, Any]:
    """Return the volume for the clone, with room for what git writes beside it."""
    return {"name": _CONTENT, "emptyDir": {"sizeLimit": str(2 * site.repository_limit)}}


def content_mount(content: ContentSpec) -> dict[str, Any]:
    """Return the notebook's mount of the clone, where the kept folders do not have it."""
    return {"name": _CONTENT, "mountPath": f"{SOURCE}/{content.folder}", "subPath": CLONE}


def helper_pod(task: str, project: str, volume: str, site: Site) -> dict[str, Any]:
    """Return the pod that works on a project's folder while nothing of it runs."""
    metadata = {
        "name": helper_name(task, project),
        "labels": helper_labels(task, project, volume),
    }
    command = [*program.HELPER_COMMAND, task, project]
    return _helper_pod(metadata, command, program.volume(), HELPER_SECONDS, volume, site)


def files_pod(volume: str, nonce: str, digest: str, site: Site) -> dict[str, Any]:
    """Return the pod that serves a person's files to whoever has the token of this SHA-256."""
    metadata = {
        "name": helper_name(FILES, volume),
        "labels": files_labels(volume),
        "annotations": {NONCE: nonce},
    }
    command = [*program.SERVE_COMMAND, digest]
    return _helper_pod(metadata, command, program.serve_volume(), FILES_SECONDS, volume, site)


def _helper_pod(
    metadata: dict[str, Any],
    command: list[str],
    programs: dict[str, Any],
    seconds: int,
    volume: str,
    site: Site,
) -> dict[str, Any]:
    ours = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "hostname": "helper",
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": pod_security_context(site),
            "containers": [_helper_container(command, site)],
            "volumes": [home_volume(volume), programs],
            **site.pull_secrets,
            **same_node_affinity(volume, site),
        },
    }
    template = site.pod_template.get("spec") or {}
    where = {key: template[key] for key in _SCHEDULING if key in template}
    result: dict[str, Any] = merge_template({"spec": where}, ours)
    return result


def _helper_container(command: list[str], site: Site) -> dict[str, Any]:
    return {
        "name": "helper",
        "image": site.builder_image,
        "command": command,
        "resources": {
            "requests": {"cpu": "10m", "memory": "32M", "ephemeral-storage": "1M"},
            "limits": {"cpu": "500m", "memory": "256M", "ephemeral-storage": "10M"},
        },
        "securityContext": {**CONTAINER_SECURITY_CONTEXT, "readOnlyRootFilesystem": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "home", "mountPath": VOLUME}, program.mount()],
    }


def pod_security_context(site: Site) -> dict[str, Any]:
    """Return the security context of all pods that have a person's volume."""
    return {
        "runAsUser": USER,
        "runAsGroup": USER,
        "runAsNonRoot": True,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "supplementalGroups": [100],  # the group that owns the files in Jupyter's own images
        "seccompProfile": site.seccomp,
    }


def home_volume(volume: str) -> dict[str, Any]:
    """Return the volume of a person's claim."""
    return {"name": "home", "persistentVolumeClaim": {"claimName": volume_name(volume)}}


def same_node_affinity(volume: str, site: Site) -> dict[str, Any]:
    """Return the part of a pod's spec that keeps all pods of a person on one node.

    ``volume`` is the name of the person's volume. Empty unless one node only can mount it.
    """
    if site.volume_access != "ReadWriteOnce":
        return {}
    key, value = OURS.split("=")
    term = {
        "labelSelector": {"matchLabels": {key: value, OWNER: volume}},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}
