"""The manifests in ``deploy/kubernetes``, which are rendered from the chart (tests/chart)."""

from __future__ import annotations

import ipaddress
import re
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from sessions.backends.kubernetes.homes import serve
from sessions.backends.kubernetes.labels import files_labels
from sessions.egress.addresses import _REFUSED

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
OPTIONAL = DEPLOY / "kubernetes/nodes.yaml"
OBJECTS: list[dict[str, Any]] = [
    one for file in FILES if file != OPTIONAL for one in yaml.safe_load_all(file.read_text())
]


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["kind"] in kinds]


def pods() -> list[dict[str, Any]]:
    return [one["spec"]["template"] for one in of_kind("Deployment", "Job")]


def policy(name: str) -> dict[str, Any]:
    [spec] = [one["spec"] for one in of_kind("NetworkPolicy") if one["metadata"]["name"] == name]
    return spec


def test_every_object_is_in_the_portals_namespace():
    assert {one["metadata"].get("namespace", one["metadata"]["name"]) for one in OBJECTS} == {
        "bindery"
    }


def test_the_portals_role_has_exactly_the_rights_it_needs():
    [role] = of_kind("Role")
    assert {rule["resources"][0]: rule["verbs"] for rule in role["rules"]} == {
        "pods": ["create", "get", "list", "watch", "delete", "patch"],
        "pods/log": ["get"],
        "secrets": ["create", "get", "list", "watch", "delete", "patch"],
        "persistentvolumeclaims": ["create", "get", "list", "patch"],
        "configmaps": ["get", "create"],
        "events": ["list", "watch"],
        "resourcequotas": ["list"],
        "limitranges": ["list"],
    }
    assert {(*rule["apiGroups"], len(rule["resources"])) for rule in role["rules"]} == {("", 1)}
    assert of_kind("ClusterRole", "ClusterRoleBinding") == []
    [binding] = of_kind("RoleBinding")
    assert binding["roleRef"]["kind"] == "Role"


def test_the_optional_role_only_lets_the_portal_read_nodes():
    role, binding = yaml.safe_load_all(OPTIONAL.read_text())
    assert (role["kind"], binding["kind"]) == ("ClusterRole", "ClusterRoleBinding")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    [account] = binding["subjects"]
    [own] = of_kind("ServiceAccount")
    assert account["name"] == own["metadata"]["name"]
    assert account["namespace"] == own["metadata"]["namespace"]


@pytest.mark.parametrize("pod", pods(), ids=lambda pod: pod["spec"]["containers"][0]["name"])
def test_no_pod_of_the_portal_has_privileges(pod):
    rights = pod["spec"]["securityContext"]
    assert (rights["runAsNonRoot"], rights["runAsUser"]) == (True, 1000)
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["spec"]["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_no_pod_of_the_portal_bears_the_label_of_managed_pods():
    for pod in pods():
        labels = pod["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "bindery"
        assert "app.kubernetes.io/managed-by" not in labels


def test_only_the_portal_can_reach_notebooks_and_nobody_builds():
    [rule] = policy("bindery-notebooks")["ingress"]
    portal = {"matchLabels": {"app.kubernetes.io/name": "bindery"}}
    assert rule == {"from": [{"podSelector": portal}], "ports": [{"port": 8888, "protocol": "TCP"}]}
    assert policy("bindery-builds")["ingress"] == []


def test_helpers_have_no_network_access():
    assert policy("bindery-helpers") == {
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/managed-by": "bindery", "bindery/kind": "helper"}
        },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [],
    }


def test_only_web_can_reach_helpers_that_serve_files():
    [web] = [pod["metadata"]["labels"] for pod in pods() if "web" in str(pod["metadata"])]
    labels = files_labels("ada")
    del labels["bindery/owner"]
    assert policy("bindery-files") == {
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "from": [{"podSelector": {"matchLabels": web}}],
                "ports": [{"port": serve.PORT, "protocol": "TCP"}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("name", "kind"), [("bindery-notebooks", "server"), ("bindery-builds", "build")]
)
def test_builds_and_notebooks_reach_only_the_internet(name, kind):
    spec = policy(name)
    assert spec["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/managed-by": "bindery",
        "bindery/kind": kind,
    }
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    blocks = [
        peer["ipBlock"] for rule in spec["egress"] for peer in rule["to"] if "ipBlock" in peer
    ]
    assert [one for one in _REFUSED for block in blocks if not is_shut(one, block)] == []


def is_shut(network: str, block: dict[str, Any]) -> bool:
    """Return whether a rule lets nothing into the network."""
    shut, allowed = ipaddress.ip_network(network), ipaddress.ip_network(block["cidr"])
    if shut.version != allowed.version or not shut.overlaps(allowed):
        return True
    excepted = [ipaddress.ip_network(one) for one in block.get("except", [])]
    return any(shut.subnet_of(one) for one in excepted)  # type: ignore[arg-type]


def test_images_and_hosts_are_placeholders():
    [settings] = [one["data"] for one in of_kind("ConfigMap")]
    images = {container["image"] for pod in pods() for container in pod["spec"]["containers"]}
    images |= {settings["PORTAL_REGISTRY"], settings["PORTAL_BUILDER_IMAGE"]}
    assert {image.partition("/")[0] for image in images} == {"registry.example.org"}
    [ingress] = of_kind("Ingress")
    hosts = [rule["host"] for rule in ingress["spec"]["rules"]]
    portal = urlsplit(settings["PORTAL_URL"]).hostname
    assert hosts == [portal, f"*.{settings['PORTAL_GATEWAY_DOMAIN']}"]
    assert ingress["spec"]["tls"][0]["hosts"] == hosts


def test_the_portal_reads_every_setting_in_the_config_map():
    [given] = [one["data"] for one in of_kind("ConfigMap")]
    settings = (DEPLOY.parent / "portal/settings.py").read_text()
    assert [name for name in given if f'"{name.removesuffix("_FILE")}"' not in settings] == []


def test_the_web_deployment_runs_the_images_command():
    [web] = [pod for pod in pods() if pod["spec"]["containers"][0]["name"] == "web"]
    container = web["spec"]["containers"][0]
    words = [*container["command"], *chain(*(each.split("=", 1) for each in container["args"]))]
    image = re.search(r"(?s)\nCMD \[(.*?)\]", (DEPLOY / "portal/Dockerfile").read_text())
    assert image
    assert re.findall(r'"([^"]*)"', image[1]) == words
