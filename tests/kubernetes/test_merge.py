"""An operator's part of a pod: it adds, it removes nothing, and dangerous parts are reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sessions.backends.kubernetes import KubernetesBackend, serverpod
from sessions.backends.kubernetes.preflight import problems
from sessions.backends.kubernetes.site import merge_template
from tests.kubernetes.things import BARE, SERVER, containers

HOSTILE = {
    "apiVersion": "v2",
    "kind": "Node",
    "metadata": {"name": "other", "labels": {"bindery/session": "1", "team": "x"}},
    "spec": {
        "restartPolicy": "Always",
        "automountServiceAccountToken": True,
        "enableServiceLinks": True,
        "hostname": "other",
        "securityContext": {"runAsUser": 0, "sysctls": [{"name": "kernel.shm", "value": "1"}]},
        "containers": [
            {
                "name": "notebook",
                "image": "other",
                "args": ["sh"],
                "env": [{"name": "JUPYTER_CONFIG_PATH", "value": "/tmp"}],
                "resources": {"limits": {"memory": "1T", "cpu": "64"}},
                "securityContext": {
                    "privileged": True,
                    "runAsUser": 0,
                    "procMount": "Unmasked",
                    "seccompProfile": {"type": "Unconfined"},
                    "capabilities": {"drop": [], "add": ["SYS_ADMIN"]},
                },
            }
        ],
    },
}


def pod(template, site=BARE):
    return serverpod.pod(SERVER, replace(site, pod_template=template), "uid-1")


def test_a_hostile_template_cannot_change_our_fields():
    ours, both = pod({}), pod(HOSTILE)
    for key in ("apiVersion", "kind"):
        assert both[key] == ours[key]
    assert both["metadata"]["name"] == ours["metadata"]["name"]
    assert ours["metadata"]["labels"].items() <= both["metadata"]["labels"].items()
    for key in ("restartPolicy", "automountServiceAccountToken", "enableServiceLinks", "hostname"):
        assert both["spec"][key] == ours["spec"][key]
    mine, merged_ = containers(ours)["notebook"], containers(both)["notebook"]
    for key in ("image", "env", "resources", "volumeMounts"):
        assert merged_[key] == mine[key]
    assert merged_["args"] == [*mine["args"], "sh"]


def test_a_template_cannot_change_our_security_contexts():
    ours, both = pod({}), pod(HOSTILE)
    assert both["spec"]["securityContext"] == ours["spec"]["securityContext"]
    mine, theirs = containers(ours), containers(both)
    assert mine.keys() == theirs.keys()
    for name, container in mine.items():
        assert theirs[name]["securityContext"] == container["securityContext"]


def test_a_template_adds_fields_that_the_portal_does_not_set():
    both = pod({
        "metadata": {"annotations": {"a": "b"}, "labels": {"team": "x"}},
        "spec": {
            "nodeSelector": {"pool": "notebooks"},
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "notebook",
                    "env": [{"name": "EXTRA", "value": "1"}],
                    "volumeMounts": [
                        {"name": "data", "mountPath": "/data"},
                        {"name": "data", "mountPath": "/more"},
                    ],
                },
                {"name": "other", "image": "other"},
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    })  # fmt: skip
    ours = pod({})
    assert both["metadata"]["annotations"] == {"a": "b"}
    assert both["metadata"]["labels"] == {**ours["metadata"]["labels"], "team": "x"}
    assert both["spec"]["nodeSelector"] == {"pool": "notebooks"}
    assert both["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert [each["name"] for each in both["spec"]["containers"]] == ["notebook", "other"]
    notebook = containers(both)["notebook"]
    assert notebook["env"][-1] == {"name": "EXTRA", "value": "1"}
    assert [each["mountPath"] for each in notebook["volumeMounts"][-2:]] == ["/data", "/more"]
    assert both["spec"]["volumes"][:-1] == ours["spec"]["volumes"]


@pytest.mark.parametrize(
    ("template", "ours", "result"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": [1]}, {"a": [2]}, {"a": [2, 1]}),
        ({"a": [{"name": "x", "b": 1}]}, {"a": [{"name": "x", "c": 2}]},
         {"a": [{"name": "x", "b": 1, "c": 2}]}),
        ({"securityContext": {"b": 1}}, {"securityContext": {"c": 2}},
         {"securityContext": {"c": 2}}),
        ({"securityContext": {"b": 1}}, {}, {"securityContext": {"b": 1}}),
        (None, {"a": 1}, {"a": 1}),
        ([], {"a": 1}, {"a": 1}),
    ],
)  # fmt: skip
def test_our_values_take_precedence_over_the_template(template, ours, result):
    assert merge_template(template, ours) == result


@pytest.mark.parametrize("key", ["hostNetwork", "hostPID", "hostIPC"])
def test_a_template_that_shares_host_namespaces_is_reported(key):
    (problem,) = problems(replace(BARE, pod_template={"spec": {key: True}}))
    assert problem.id == "kubernetes.template"
    assert key in problem.message


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_a_privileged_container_in_the_template_is_reported(kind):
    other = {"name": "wide", "securityContext": {"privileged": True}}
    (problem,) = problems(replace(BARE, pod_template={"spec": {kind: [other]}}))
    assert problem.id == "kubernetes.template"
    assert "wide" in problem.message


@pytest.mark.parametrize(
    "template",
    [{}, HOSTILE, {"spec": None}, {"spec": {"hostNetwork": False, "containers": None}},
     {"spec": {"containers": [{"name": "a"}, {"name": "b", "securityContext": None}]}},
     {"spec": {"containers": ["a"], "initContainers": "b"}}],
)  # fmt: skip
def test_a_harmless_template_is_no_problem(template):
    assert list(problems(replace(BARE, pod_template=template))) == []


@pytest.fixture
def configured(settings, tmp_path: Path):
    """Return a function that gives the ids and messages of a back end's problems with some
    settings.
    """
    settings.PORTAL_REGISTRY = "registry.example.org/bindery"
    settings.PORTAL_BUILDER_IMAGE = "builder:1"

    def look(template: bytes | None = None, **values: object) -> dict[str, str]:
        if template is not None:
            (tmp_path / "template.yaml").write_bytes(template)
            settings.PORTAL_POD_TEMPLATE = str(tmp_path / "template.yaml")
        for name, value in values.items():
            setattr(settings, name, value)
        return {problem.id: problem.message for problem in KubernetesBackend().problems()}

    return look


def test_a_complete_configuration_has_no_problem(configured):
    assert configured(b"spec: {nodeSelector: {pool: notebooks}}") == {}


@pytest.mark.parametrize("template", [b"spec: [", b"- a", b"words", b"", b"\xff\xfe\xfd", b"\t"])
def test_an_unusable_template_is_reported_without_a_traceback(configured, template):
    found = configured(template)
    assert list(found) == ["kubernetes.template"]
    assert "PORTAL_POD_TEMPLATE" in found["kubernetes.template"]


def test_a_missing_template_file_is_reported(configured, tmp_path):
    found = configured(PORTAL_POD_TEMPLATE=str(tmp_path / "none"))
    assert list(found) == ["kubernetes.template"]


def test_a_site_variable_without_a_value_is_reported(configured):
    found = configured(PORTAL_SITE_VARIABLES=["A=b=c", "PROXY"])
    assert list(found) == ["kubernetes.variables"]
    assert "PROXY" in found["kubernetes.variables"]


def test_a_malformed_registry_login_is_reported_without_showing_it(configured):
    found = configured(PORTAL_REGISTRY_AUTH="hunter2")
    assert list(found) == ["kubernetes.registry-auth"]
    assert "hunter2" not in found["kubernetes.registry-auth"]
    assert "PORTAL_REGISTRY_AUTH" in found["kubernetes.registry-auth"]


def test_missing_registry_and_builder_image_are_reported(configured):
    found = configured(PORTAL_REGISTRY="", PORTAL_BUILDER_IMAGE="")
    assert list(found) == ["kubernetes.registry", "kubernetes.builder"]
