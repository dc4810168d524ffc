"""Make the pod of a build, as a pure function: five containers, one after the other.

Untrusted code runs in ``build`` only. No credential is ever in that container, because what
separates the code from the rest of the container is no security boundary: see
``docs/kubernetes.md``. ``deploy/builder`` has the program that each container runs.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from sessions.backends import BuildSpec

from . import keysecret
from .labels import build_labels, build_name
from .site import CA_FILE, CA_FOLDER, Site, millicpus

STAGES = ("fetch", "plan", "pull", "build", "push")
PHASES = dict(zip(STAGES, ("fetching", "building", "building", "building", "pushing"), strict=True))

_ACCOUNTS = {"pull": ("base", "pull"), "push": ("push",)}
"""The registry accounts of each stage; ``base`` is for images that repositories name."""
_UNPACKS = {"pull", "build"}
"""The containers that unpack images, and so create files of many owners."""


def build_pod(spec: BuildSpec, site: Site) -> dict[str, Any]:
    """Return the manifest of the pod that builds ``spec`` and pushes the image."""
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
                "cpu": millicpus(site.build_cpu),
                "memory": str(site.build_memory),
                "ephemeral-storage": str(site.build_disk),
            },
        },
        "securityContext": _security_context(stage),
        "volumeMounts": _mounts(stage, spec, site),
    }


def _security_context(stage: str) -> dict[str, Any]:
    """Return the smallest security context that works for a stage.

    See ``docs/kubernetes.md``, "What a build pod may do".
    """
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
        "BUILD_FRESH": "1" if spec.no_cache else "",
        "BUILD_BASE_IMAGE": site.base_image,
        "BUILD_PYTHON_IMAGE": site.python_image,
        "BUILD_INSECURE": site.registry_address if site.plain_http else "",
        "BUILD_OWN_PREFIX": f"{site.registry}/",
        "BUILD_REPOSITORY_LIMIT": str(site.repository_limit),
        "BUILD_LOG_LIMIT": str(site.log_limit),
        "BUILD_PLAIN_HTTP": "1" if spec.url.startswith("http://") else "",
        "BUILD_STEP_VARIABLES": json.dumps(site.environment, sort_keys=True),
        "BUILD_CA": CA_FILE if site.ca_configmap else "",
        **_archive(spec, site),
    }


def _archive(spec: BuildSpec, site: Site) -> dict[str, str]:
    """Return what only builds of archives need: the addresses that they may reach besides."""
    if not spec.archive:
        return {}
    return {
        "BUILD_ARCHIVE": spec.archive,
        "BUILD_ARCHIVE_HOSTS": json.dumps(site.archive_hosts, sort_keys=True),
        "BUILD_ARCHIVE_TRUSTED": " ".join(site.archive_trusted),
    }


def _cache(spec: BuildSpec, site: Site) -> str:
    """Return where the layers of this repository's branch or tag are kept between commits.

    "" for a commit asked for by its hash: it may be anybody's, from a fork, and must not leave
    layers to those who build what the repository's owners publish. Layers of a private repository
    are only for builds with the same key.
    """
    if spec.archive or re.fullmatch(r"[0-9a-f]{7,64}|", spec.ref):
        return ""
    whose = f"\0{' '.join(spec.identity.public.split()[:2])}" if spec.identity else ""
    digest = hashlib.sha256(f"{spec.url}\0{spec.ref}{whose}".encode()).hexdigest()
    return f"{site.registry}/cache-{digest[:32]}"


def _mounts(stage: str, spec: BuildSpec, site: Site) -> list[dict[str, Any]]:
    """Return the mounts of a stage.

    Through ``trusted``, ``pull`` tells ``push`` about the base images, out of reach of untrusted
    code.
    """
    mounts: list[dict[str, Any]] = [{"name": "work", "mountPath": "/build"}]
    if site.ca_configmap:
        mounts.append({"name": "ca", "mountPath": CA_FOLDER, "readOnly": True})
    if stage in _ACCOUNTS:
        mounts.append({"name": "trusted", "mountPath": "/trusted"})
    for account in _ACCOUNTS.get(stage, ()):
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
    """Return the Secrets with registry credentials, by account."""
    named = {"base": site.base_secret, "pull": site.pull_secret, "push": site.push_secret}
    return {account: name for account, name in named.items() if name}
