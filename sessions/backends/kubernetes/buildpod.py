"""The pod of a build, as a pure function: five containers, one after the other.

Strangers' code runs in ``build`` only, and no credential is ever in the container in which it
does, because what separates it from the rest of that container is no wall: see
``docs/kubernetes.md``. What each container does is in ``deploy/builder``.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from sessions.backends import BuildSpec

from . import keysecret
from .labels import build_labels, build_name
from .site import CA_FILE, CA_FOLDER, Site, cpus

STAGES = ("fetch", "plan", "pull", "build", "push")
PHASES = dict(zip(STAGES, ("fetching", "building", "building", "building", "pushing"), strict=True))

_AUTH = {"pull": ("base", "pull"), "push": ("push",)}
"""The accounts of the stages that have any; ``base`` is for what repositories name."""
_UNPACKS = {"pull", "build"}
"""The containers that unpack images, for which files of many owners have to be made."""


def build_pod(spec: BuildSpec, site: Site) -> dict[str, Any]:
    """The manifest of the pod that builds ``spec`` and pushes the image."""
    *first, last = (_container(stage, spec, site) for stage in STAGES)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": build_name(spec.id), "labels": build_labels(spec)},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": site.build_seconds,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": first,
            "containers": [last],
            "volumes": [*_volumes(site), *keysecret.build_volumes(spec)],
            **site.pull_secrets,
        },
    }


def _container(stage: str, spec: BuildSpec, site: Site) -> dict[str, Any]:
    return {
        "name": stage,
        "image": site.builder_image,
        "command": ["bindery-build", stage],
        "env": [{"name": key, "value": value} for key, value in _environment(spec, site).items()],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256M", "ephemeral-storage": "1G"},
            "limits": {
                "cpu": cpus(site.build_cpu),
                "memory": str(site.build_memory),
                "ephemeral-storage": str(site.build_disk),
            },
        },
        "securityContext": _rights(stage),
        "volumeMounts": _mounts(stage, spec, site),
    }


def _rights(stage: str) -> dict[str, Any]:
    """The least with which each works (``docs/kubernetes.md``, "What a build pod may do")."""
    if stage in _UNPACKS:
        return {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["SETUID", "SETGID", "SETFCAP"]},
            "seccompProfile": {"type": "Unconfined"},
        }
    return {
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _environment(spec: BuildSpec, site: Site) -> dict[str, str]:
    return {
        "BUILD_URL": spec.url,
        "BUILD_COMMIT": spec.commit,
        "BUILD_REF": spec.ref,
        "BUILD_IMAGE": site.reference(spec.image),
        "BUILD_CACHE": _cache(spec, site),
        "BUILD_FRESH": "1" if spec.fresh else "",
        "BUILD_BASE_IMAGE": site.base_image,
        "BUILD_PYTHON_IMAGE": site.python_image,
        "BUILD_INSECURE": site.registry_address if site.plain_http else "",
        "BUILD_OWN_PREFIX": f"{site.registry}/",
        "BUILD_REPOSITORY_LIMIT": str(site.repository_limit),
        "BUILD_LOG_LIMIT": str(site.log_limit),
        "BUILD_PLAIN_HTTP": "1" if spec.url.startswith("http://") else "",
        "BUILD_STEP_VARIABLES": json.dumps(site.environment, sort_keys=True),
        "BUILD_CA": CA_FILE if site.ca_configmap else "",
    }


def _cache(spec: BuildSpec, site: Site) -> str:
    """Where the layers of this repository's branch or tag are kept between its commits.

    Not those of a commit that was asked for by its number: such a commit may be anybody's, of
    a fork, and must not leave layers to those who build what the repository's owners publish.
    Those of a private repository are for builds with the same key alone.
    """
    if re.fullmatch(r"[0-9a-f]{7,64}|", spec.ref):
        return ""
    whose = f"\0{' '.join(spec.identity.public.split()[:2])}" if spec.identity else ""
    digest = hashlib.sha256(f"{spec.url}\0{spec.ref}{whose}".encode()).hexdigest()
    return f"{site.registry}/cache-{digest[:32]}"


def _mounts(stage: str, spec: BuildSpec, site: Site) -> list[dict[str, Any]]:
    """``trusted`` is what ``pull`` tells ``push`` of the base images, past the strangers' code."""
    mounts: list[dict[str, Any]] = [{"name": "work", "mountPath": "/build"}]
    if site.ca_configmap:
        mounts.append({"name": "ca", "mountPath": CA_FOLDER, "readOnly": True})
    if stage in _AUTH:
        mounts.append({"name": "trusted", "mountPath": "/trusted"})
    for account in _AUTH.get(stage, ()):
        if account in _secrets(site):
            place = f"/run/bindery/{account}"
            mounts.append({"name": f"{account}-auth", "mountPath": place, "readOnly": True})
    if stage == "fetch" and spec.identity:
        mounts += keysecret.build_mounts()
    return mounts


def _volumes(site: Site) -> list[dict[str, Any]]:
    limit = {"sizeLimit": str(site.build_disk)}
    volumes: list[dict[str, Any]] = [
        {"name": "work", "emptyDir": limit},
        {"name": "trusted", "emptyDir": limit},
    ]
    if site.ca_configmap:
        volumes.append({"name": "ca", "configMap": {"name": site.ca_configmap}})
    items = [{"key": ".dockerconfigjson", "path": "config.json"}]
    return volumes + [
        {"name": f"{account}-auth", "secret": {"secretName": name, "items": items}}
        for account, name in _secrets(site).items()
    ]


def _secrets(site: Site) -> dict[str, str]:
    """Return the Secrets with credentials for registries, by the accounts that they are of."""
    named = {"base": site.base_secret, "pull": site.pull_secret, "push": site.push_secret}
    return {account: name for account, name in named.items() if name}
