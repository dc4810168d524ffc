"""The pod of a build: compared whole, and checked against the rules that always hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sessions.backends.kubernetes.buildpod import build_pod
from tests.kubernetes.things import BARE, BUILD, COMMIT, FULL, containers

CREDENTIALS = {"base-auth", "pull-auth", "push-auth"}
UNPACKS = {
    "runAsUser": 0,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"], "add": ["SETUID", "SETGID", "SETFCAP"]},
    "seccompProfile": {"type": "Unconfined"},
}
PLAIN = {
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
WORK = {"name": "work", "mountPath": "/build"}
TRUSTED = {"name": "trusted", "mountPath": "/trusted"}
CA = {"name": "ca", "mountPath": "/run/bindery/ca", "readOnly": True}
CA_FILE = "/run/bindery/ca/ca.crt"

BARE_ENVIRONMENT = [
    {"name": "BUILD_URL", "value": "https://git.example.org/ada/flowers"},
    {"name": "BUILD_COMMIT", "value": COMMIT},
    {"name": "BUILD_REF", "value": "main"},
    {"name": "BUILD_IMAGE", "value": "registry.example.org/ada-flowers-c0ffee:built"},
    {
        "name": "BUILD_CACHE",
        "value": "registry.example.org/cache-cb9564210b5a4fd3ef8562c380ea5f69",
    },
    {"name": "BUILD_FRESH", "value": ""},
    {"name": "BUILD_BASE_IMAGE", "value": ""},
    {"name": "BUILD_PYTHON_IMAGE", "value": ""},
    {"name": "BUILD_INSECURE", "value": ""},
    {"name": "BUILD_OWN_PREFIX", "value": "registry.example.org/"},
    {"name": "BUILD_REPOSITORY_LIMIT", "value": "2000000000"},
    {"name": "BUILD_LOG_LIMIT", "value": "10000000"},
    {"name": "BUILD_PLAIN_HTTP", "value": ""},
    {"name": "BUILD_STEP_VARIABLES", "value": "{}"},
    {"name": "BUILD_CA", "value": ""},
]
FULL_ENVIRONMENT = [
    {"name": "BUILD_URL", "value": "http://git.example.org/ada/flowers"},
    {"name": "BUILD_COMMIT", "value": COMMIT},
    {"name": "BUILD_REF", "value": COMMIT},
    {
        "name": "BUILD_IMAGE",
        "value": "registry.example.org:5000/team/bindery/ada-flowers-c0ffee:built",
    },
    {"name": "BUILD_CACHE", "value": ""},
    {"name": "BUILD_FRESH", "value": "1"},
    {"name": "BUILD_BASE_IMAGE", "value": "base:1"},
    {"name": "BUILD_PYTHON_IMAGE", "value": "python:1"},
    {"name": "BUILD_INSECURE", "value": "registry.example.org:5000"},
    {"name": "BUILD_OWN_PREFIX", "value": "registry.example.org:5000/team/bindery/"},
    {"name": "BUILD_REPOSITORY_LIMIT", "value": "100000000"},
    {"name": "BUILD_LOG_LIMIT", "value": "1000000"},
    {"name": "BUILD_PLAIN_HTTP", "value": "1"},
    {
        "name": "BUILD_STEP_VARIABLES",
        "value": (
            f'{{"AWS_CA_BUNDLE": "{CA_FILE}", "CURL_CA_BUNDLE": "{CA_FILE}", '
            f'"GIT_SSL_CAINFO": "{CA_FILE}", "HTTPS_PROXY": "http://proxy.example.org:3128", '
            f'"NODE_EXTRA_CA_CERTS": "{CA_FILE}", "PIP_CERT": "{CA_FILE}", '
            f'"REQUESTS_CA_BUNDLE": "{CA_FILE}", "SSL_CERT_FILE": "{CA_FILE}"}}'
        ),
    },
    {"name": "BUILD_CA", "value": CA_FILE},
]


def bare_container(stage: str, rights: dict[str, Any], *mounts: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": stage,
        "image": "builder:1",
        "command": ["bindery-build", stage],
        "env": BARE_ENVIRONMENT,
        "resources": {
            "requests": {"cpu": "100m", "memory": "256M", "ephemeral-storage": "1G"},
            "limits": {"cpu": "2000m", "memory": "4000000000", "ephemeral-storage": "10000000000"},
        },
        "securityContext": rights,
        "volumeMounts": [WORK, *mounts],
    }


def full_container(stage: str, rights: dict[str, Any], *mounts: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": stage,
        "image": "registry.example.org:5000/builder:1",
        "command": ["bindery-build", stage],
        "env": FULL_ENVIRONMENT,
        "resources": {
            "requests": {"cpu": "100m", "memory": "256M", "ephemeral-storage": "1G"},
            "limits": {"cpu": "500m", "memory": "1000000000", "ephemeral-storage": "5000000000"},
        },
        "securityContext": rights,
        "volumeMounts": [WORK, CA, *mounts],
    }


def credentials(account: str) -> dict[str, Any]:
    return {"name": f"{account}-auth", "mountPath": f"/run/bindery/{account}", "readOnly": True}


def test_a_bare_site_gets_a_pod_without_credentials_or_ca_bundle():
    assert build_pod(BUILD, BARE) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "build-7",
            "labels": {
                "app.kubernetes.io/managed-by": "bindery",
                "bindery/kind": "build",
                "bindery/build": "7",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 1800,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [
                bare_container("fetch", PLAIN),
                bare_container("plan", PLAIN),
                bare_container("pull", UNPACKS, TRUSTED),
                bare_container("build", UNPACKS),
            ],
            "containers": [bare_container("push", PLAIN, TRUSTED)],
            "volumes": [
                {"name": "work", "emptyDir": {"sizeLimit": "10000000000"}},
                {"name": "trusted", "emptyDir": {"sizeLimit": "10000000000"}},
            ],
        },
    }


def test_a_fully_configured_site_has_every_setting_in_the_pod():
    spec = replace(BUILD, url="http://git.example.org/ada/flowers", ref=COMMIT, no_cache=True)
    items = [{"key": ".dockerconfigjson", "path": "config.json"}]
    assert build_pod(spec, FULL) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "build-7",
            "labels": {
                "app.kubernetes.io/managed-by": "bindery",
                "bindery/kind": "build",
                "bindery/build": "7",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 600,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [
                full_container("fetch", PLAIN),
                full_container("plan", PLAIN),
                full_container("pull", UNPACKS, TRUSTED, credentials("base"), credentials("pull")),
                full_container("build", UNPACKS),
            ],
            "containers": [full_container("push", PLAIN, TRUSTED, credentials("push"))],
            "volumes": [
                {"name": "work", "emptyDir": {"sizeLimit": "5000000000"}},
                {"name": "trusted", "emptyDir": {"sizeLimit": "5000000000"}},
                {"name": "ca", "configMap": {"name": "authorities"}},
                {"name": "base-auth", "secret": {"secretName": "base", "items": items}},
                {"name": "pull-auth", "secret": {"secretName": "pull", "items": items}},
                {"name": "push-auth", "secret": {"secretName": "push", "items": items}},
            ],
            "imagePullSecrets": [{"name": "pull"}],
        },
    }


@pytest.mark.parametrize("site", [BARE, FULL])
def test_only_pull_and_push_mount_credentials_and_each_only_its_own(site):
    for name, container in containers(build_pod(BUILD, site)).items():
        mounted = {mount["name"] for mount in container["volumeMounts"]} & CREDENTIALS
        assert mounted <= {f"{name}-auth", *({"base-auth"} if name == "pull" else ())}
        assert "envFrom" not in container
        assert not any("valueFrom" in variable for variable in container["env"])


@pytest.mark.parametrize("site", [BARE, FULL])
def test_no_container_has_more_capabilities_than_unpacking_needs(site):
    pod = build_pod(BUILD, site)
    for name, container in containers(pod).items():
        rights = container["securityContext"]
        assert not rights.get("privileged")
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"]["drop"] == ["ALL"]
        unpacks = name in {"pull", "build"}
        added = {"SETUID", "SETGID", "SETFCAP"} if unpacks else set()
        assert set(rights["capabilities"].get("add", [])) == added
        assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys()
    assert not any("hostPath" in volume for volume in pod["spec"]["volumes"])


def cache(**changes: Any) -> str:
    pod = build_pod(replace(BUILD, **changes), BARE)
    env = containers(pod)["build"]["env"]
    return next(str(each["value"]) for each in env if each["name"] == "BUILD_CACHE")


@pytest.mark.parametrize("ref", ["", COMMIT, COMMIT[:7], "deadbeef", "a" * 64])
def test_a_ref_that_may_be_a_commit_id_gets_no_layer_cache(ref):
    assert cache(ref=ref) == ""


def test_each_branch_of_each_repository_has_its_own_layer_cache():
    places = [cache(), cache(ref="dev"), cache(url="https://git.example.org/bob/flowers")]
    assert len(set(places)) == 3
    assert cache(commit="d" * 40, id=8) == cache()
    assert cache(ref="mäin/..; x").startswith("registry.example.org/cache-")
