"""Rendered objects are valid, the same each time, and the source of the plain manifests."""

from __future__ import annotations

import runpy
import tomllib
from collections import Counter

import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.chart.customresources import schema_of
from tests.chart.rendering import CHART, ROOT, VALUE_SETS, containers, objects, texts, values_of

SETS = pytest.mark.parametrize("name", VALUE_SETS)
WAYS = pytest.mark.parametrize("upgrade", [False, True], ids=["install", "upgrade"])
CUSTOM = ("gateway.networking.k8s.io/", "monitoring.coreos.com/")
VERSIONS = ("1.25", kubernetes_validate.latest_version())
SINCE_1_20 = {
    "v1": {"ConfigMap", "PersistentVolumeClaim", "Pod", "Secret", "Service", "ServiceAccount"},
    "apps/v1": {"Deployment", "StatefulSet"},
    "batch/v1": {"Job"},
    "networking.k8s.io/v1": {"Ingress", "NetworkPolicy"},
    "rbac.authorization.k8s.io/v1": {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"},
}
"""Kinds that Kubernetes 1.20 knows in these versions."""


@SETS
def test_helm_finds_nothing_to_complain_about(name):
    report = helm_python.lint(CHART, values_of(name), strict=True)
    assert [each for each in report["messages"] if each["error"] != "icon is recommended"] == []
    assert report["errors"] == []


@WAYS
@SETS
def test_every_object_fits_the_published_schemas(name, upgrade):
    for each in objects(values_of(name), upgrade=upgrade):
        if each.thing["apiVersion"].startswith(CUSTOM):
            jsonschema.validate(each.thing, schema_of(each.thing))
            continue
        for version in VERSIONS if name in {"everything", "try"} else VERSIONS[1:]:
            kubernetes_validate.validate(each.thing, version, strict=True)


def test_a_misspelled_field_does_not_fit():
    [route] = [each.thing for each in objects(values_of("everything")) if each.name == "bindery"
               and each.kind == "HTTPRoute"]  # fmt: skip
    route["spec"]["hostname"] = route["spec"].pop("hostnames")
    with pytest.raises(jsonschema.ValidationError, match="hostname"):
        jsonschema.validate(route, schema_of(route))


@WAYS
@pytest.mark.parametrize("name", ["try", "production"])
def test_kubernetes_1_20_knows_everything_without_disruption_budgets(name, upgrade):
    values = {**values_of(name), "disruptionBudgets": {"enabled": False}}
    found = objects(values, upgrade=upgrade)
    assert [each.thing["kind"] for each in found
            if each.kind not in SINCE_1_20.get(each.thing["apiVersion"], ())] == []  # fmt: skip


@SETS
def test_every_port_names_its_protocol(name):
    """Helm 4 applies on the server, where Kubernetes 1.20 refuses a Service's port without one."""
    ports = [
        port
        for each in objects(values_of(name))
        for port in (
            each.thing["spec"]["ports"]
            if each.kind == "Service"
            else [port for one in containers(each.pod) for port in one.get("ports", [])]
            if each.pod
            else []
        )
    ]
    assert ports
    assert [port for port in ports if port.get("protocol") != "TCP"] == []


@WAYS
@SETS
def test_two_renders_are_the_same(name, upgrade):
    first = texts(values_of(name), upgrade=upgrade)
    assert first == texts(values_of(name), upgrade=upgrade)


@WAYS
@SETS
def test_no_object_is_rendered_twice(name, upgrade):
    found = Counter((each.kind, each.name) for each in objects(values_of(name), upgrade=upgrade))
    assert [each for each, times in found.items() if times > 1] == []


NO_CLUSTER = """
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""


@SETS
def test_a_release_has_everything_but_its_hooks(name):
    """As Helm sorts it out for an installation, which is not carried out."""
    with helm_python.Config(
        kubeconfig_content=NO_CLUSTER, namespace="bindery", storage_driver="memory"
    ) as config:
        release = config.install(str(CHART), "bindery", values_of(name), dry_run="client")
    found = {(each["kind"], each["metadata"]["name"])
             for each in yaml.safe_load_all(release["manifest"]) if each}  # fmt: skip
    assert found == {(each.kind, each.name) for each in objects(values_of(name)) if not each.hooks}
    assert "://bindery.example.org/health" in release["notes"]


@SETS
def test_every_object_names_its_namespace(name):
    for each in objects(values_of(name)):
        wanted = None if each.kind.startswith(("Cluster", "PriorityClass")) else "bindery"
        assert each.thing["metadata"].get("namespace") == wanted, each


def test_selectors_never_change():
    """A Deployment's selector is immutable: with another one, no upgrade works any more."""
    values = {**values_of("try"), "host": "another.example.org"}
    selectors = {each.name: each.thing["spec"]["selector"]["matchLabels"]
                 for each in objects(values, upgrade=True)
                 if each.kind in {"Deployment", "StatefulSet"}}  # fmt: skip
    name, component = "app.kubernetes.io/name", "app.kubernetes.io/component"
    assert selectors == {
        **{each: {name: "bindery", component: each} for each in ("web", "worker", "watch")},
        **{each: {name: "bindery-embedded", component: each} for each in ("postgres", "redis")},
    }


@SETS
def test_what_selects_pods_selects_some(name):
    found = objects(values_of(name))
    pods = [each.pod["metadata"]["labels"] for each in found if each.pod]
    for each in found:
        if each.kind in {"Service", "PodDisruptionBudget", "Deployment", "StatefulSet"}:
            selector = each.thing["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()
            assert any(wanted <= labels.items() for labels in pods), each


def test_the_charts_version_is_the_portals():
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (about["version"], about["appVersion"]) == (version, version)


def test_the_plain_manifests_are_up_to_date():
    """If this fails: make manifests."""
    for path, text in runpy.run_path(str(ROOT / "deploy/kubernetes/render.py"))[
        "rendered"
    ]().items():
        assert (ROOT / "deploy" / path).read_text() == text, path
        assert "helm.sh" not in text
