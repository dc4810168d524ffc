"""The pods, rights and hooks that the chart renders."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from sessions.backends.kubernetes import namespace
from sessions.backends.kubernetes.preflight import REQUIRED_RIGHTS
from tests.chart.rendering import ROOT, VALUE_SETS, Rendered, containers, objects, values_of

SETS = pytest.mark.parametrize("name", VALUE_SETS)
WAYS = pytest.mark.parametrize("upgrade", [False, True], ids=["install", "upgrade"])
OTHERS_READ = {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}
"""Variables that libraries read, not the portal's settings."""
THEIRS = {"redis", "sign-in", "site-ca", "bindery-secrets", "registry-push", "registry-pull",
          "registry-base", "more"}  # fmt: skip
"""Objects that the sets of values name as the operator's own."""
MADE = {"bindery-keys", "bindery-embedded"}
"""Secrets that the Job makes."""


def pods(name: str, *, upgrade: bool = False) -> list[tuple[Rendered, dict[str, Any]]]:
    return [(each, each.pod) for each in objects(values_of(name), upgrade=upgrade) if each.pod]


def settings_of(name: str) -> dict[str, str]:
    [found] = [each.thing["data"] for each in objects(values_of(name))
               if each.name == "bindery-settings"]  # fmt: skip
    return dict(found)


@WAYS
@SETS
def test_no_pod_has_privileges(name, upgrade):
    for _owner, pod in pods(name, upgrade=upgrade):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["enableServiceLinks"] is False
        assert isinstance(spec["automountServiceAccountToken"], bool)
        for each in containers(pod):
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} <= each["resources"].keys()


@SETS
def test_only_pods_that_ask_the_cluster_have_a_token(name):
    asking = {"web", "worker", "watch", "back-up", "make-secrets", "choose-popular",
              "size-held-room"}  # fmt: skip
    with_token = {
        owner.name for owner, pod in pods(name) if pod["spec"]["automountServiceAccountToken"]
    }
    assert with_token <= asking


@SETS
def test_every_setting_exists(name):
    source = "".join(
        (ROOT / file).read_text()
        for file in ("portal/settings.py", "portal/accounts/oidc/provider.py",
                     "portal/accounts/oidc/claims.py")
    )  # fmt: skip
    for variable in settings_of(name).keys() - OTHERS_READ:
        plain = variable.removesuffix("_FILE")
        assert f'"{plain.removeprefix("OIDC_")}"' in source, variable


@WAYS
@SETS
def test_every_variable_of_a_portals_pod_is_known(name, upgrade):
    known = (ROOT / "portal/settings.py").read_text()
    for owner, pod in pods(name, upgrade=upgrade):
        if pod["metadata"]["labels"]["app.kubernetes.io/name"] == "bindery-embedded":
            continue
        for container in containers(pod):
            for variable in container.get("env", []):
                in_program = owner.name == "make-secrets" and variable["name"] == "NAMESPACE"
                assert f'"{variable["name"]}"' in known or in_program


@WAYS
@SETS
def test_every_object_that_a_pod_uses_is_there_when_it_starts(name, upgrade):
    """Hooks run before the release's objects are there, and have only what earlier hooks made."""
    found = objects(values_of(name), upgrade=upgrade)
    for owner, pod in pods(name, upgrade=upgrade):
        before = {each.name for each in found if is_before(each, owner)}
        made = MADE if not weight(owner) <= -20 else set()
        for used in named_by(pod):
            assert used in before | THEIRS | made, f"{owner.name} uses {used}"


def is_before(each: Rendered, owner: Rendered) -> bool:
    if not owner.hooks or owner.hooks == ["test"]:
        return not each.hooks
    return set(owner.hooks) <= set(each.hooks) and weight(each) < weight(owner)


def weight(each: Rendered) -> int:
    annotations = each.thing["metadata"].get("annotations") or {}
    return int(annotations.get("helm.sh/hook-weight", 0))


def named_by(pod: dict[str, Any]) -> set[str]:
    spec = pod["spec"]
    names = {each["name"] for each in spec.get("imagePullSecrets", [])}
    names |= {spec["serviceAccountName"]} if "serviceAccountName" in spec else set()
    for volume in spec.get("volumes", []):
        names |= {volume["secret"]["secretName"]} if "secret" in volume else set()
        names |= {volume["configMap"]["name"]} if "configMap" in volume else set()
        if "persistentVolumeClaim" in volume:
            names.add(volume["persistentVolumeClaim"]["claimName"])
    for container in containers(pod):
        for source in container.get("envFrom", []):
            names |= {each["name"] for each in source.values()}
    return names


def test_an_upgrade_migrates_before_it_changes_anything():
    job = {each.name: each for each in objects(values_of("production"), upgrade=True)
           if each.kind == "Job"}  # fmt: skip
    assert job["migrate-upgrade"].hooks == ["pre-upgrade"]
    assert "migrate" not in job
    first = {each.name: each for each in objects(values_of("production")) if each.kind == "Job"}
    assert first["migrate"].hooks == []


def test_an_upgrade_with_the_embedded_database_migrates_with_it():
    """Its database may not be there before."""
    jobs = {each.name for each in objects(values_of("try"), upgrade=True) if each.kind == "Job"}
    assert jobs == {"make-secrets", "migrate-2"}


@pytest.mark.parametrize("component", ["web", "worker", "watch"])
def test_a_pod_is_not_ready_before_its_settings_are_valid_and_the_database_has_its_tables(
    component,
):
    [pod] = [pod for owner, pod in pods("production") if owner.name == component]
    [wait] = pod["spec"]["initContainers"]
    [main] = pod["spec"]["containers"]
    assert wait["command"][-1].startswith("python manage.py check || exit 1\nuntil ")
    assert "manage.py migrate --check" in wait["command"][-1]
    for key in ("image", "envFrom", "volumeMounts", "resources"):
        assert wait[key] == main[key]


def test_new_settings_start_new_pods():
    def checksum(**settings: str) -> str:
        found = objects({**values_of("production"), "settings": settings})
        [pod] = [each.pod for each in found if each.name == "watch" and each.kind == "Deployment"]
        assert pod
        return str(pod["metadata"]["annotations"]["checksum/settings"])

    assert checksum() == checksum()
    assert checksum() != checksum(PORTAL_TOKEN_DAYS="7")


def test_the_number_of_pods_is_the_autoscalers_where_there_is_one():
    for name, there in (("production", True), ("everything", False)):
        for each in objects(values_of(name)):
            if each.kind == "Deployment" and each.name in {"web", "worker"}:
                assert ("replicas" in each.thing["spec"]) is there


def role() -> set[tuple[str, str]]:
    [found] = [each.thing for each in objects(values_of("production"))
               if each.kind == "Role" and each.name == "bindery"]  # fmt: skip
    assert {rule["apiGroups"][0] for rule in found["rules"]} == {""}
    return {
        (verb, kind) for rule in found["rules"] for kind in rule["resources"]
        for verb in rule["verbs"]
    }  # fmt: skip


def test_the_role_is_what_the_doctor_looks_for():
    assert role() == {(verb, kind) for kind, verbs in REQUIRED_RIGHTS.items() for verb in verbs}


VERBS = {"get": ["get"], "create": ["create"], "list": ["list"], "patch": ["patch"],
         "delete": ["delete"], "put": ["patch", "create"], "log": ["get"]}  # fmt: skip
THROUGH_A_NAME = {
    *((verb, kind) for verb in ("list", "watch") for kind in ("pods", "secrets", "events")),
    *((verb, kind) for verb in ("list", "patch") for kind in namespace.LABELLED_KINDS),
    *(("list", kind) for kind in ("resourcequotas", "limitranges")),
}
"""Calls whose kind is a variable: reflectors of `changes`, labels of `namespace`, `bounds`."""


def test_the_role_allows_every_call_of_the_code_and_nothing_else():
    calls: set[tuple[str, str]] = set()
    for file in (ROOT / "sessions/backends/kubernetes").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                calls |= rights(ast.unparse(node.func), ast.unparse(node.args[0]))
    assert {("get", "pods/log"), ("create", "configmaps")} <= calls
    assert calls | THROUGH_A_NAME == role()


def rights(function: str, kind: str) -> set[tuple[str, str]]:
    """Return what a call needs, by the name of its function and its first argument."""
    called = re.fullmatch(r"(?:self\.)?_?cluster(?:\(\))?(?:\.hasty)?\.(\w+)", function)
    if not called or called[1] not in VERBS:
        return set()
    if called[1] == "log":
        return {("get", "pods/log")}
    known = {"CLAIMS": namespace.CLAIMS, "claims.CLAIMS": namespace.CLAIMS}
    name = known.get(kind) or (kind[1:-1] if kind[0] in "'\"" else "")
    return {(verb, name) for verb in VERBS[called[1]]} if name else set()


def test_nodes_are_listed_and_nothing_else_outside_the_namespace():
    found = [each.thing for each in objects(values_of("production")) if each.kind == "ClusterRole"]
    assert [each["rules"] for each in found] == [
        [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    ]
    assert found[0]["metadata"]["name"] == "bindery-nodes"


def test_the_alerts_are_those_of_prometheus():
    [rule] = [each.thing for each in objects(values_of("everything"))
              if each.kind == "PrometheusRule"]  # fmt: skip
    [group] = rule["spec"]["groups"]
    assert len(group["rules"]) > 10
    [monitor] = [each.thing for each in objects(values_of("everything"))
                 if each.kind == "ServiceMonitor"]  # fmt: skip
    [service] = [each.thing for each in objects(values_of("everything"))
                 if each.kind == "Service" and each.name == "bindery"]  # fmt: skip
    labels = service["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["spec"]["jobLabel"]] == "bindery"  # as the alerts say
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
