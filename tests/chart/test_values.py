"""Each value has a comment, a schema and a line of documentation, and changes what is rendered."""

from __future__ import annotations

import json
import re
from typing import Any

import helm_python
import pytest
import yaml

from tests.chart.rendering import (
    CHART,
    DEFAULTS,
    ROOT,
    leaves,
    objects,
    texts,
    values_of,
    with_value,
)

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
NAMES = list(leaves(DEFAULTS, SCHEMA))
DOCUMENTATION = (ROOT / "docs/kubernetes.md").read_text().partition("\n## Values\n")[2]
ROWS = {
    row[1]: (row[2], row[3])
    for row in re.finditer(
        r"^\| `([\w.]+)` \| (.+?) \| (.+) \|$", DOCUMENTATION.partition("\n## ")[0], re.MULTILINE
    )
}
OTHERS: dict[str, Any] = {
    "database.url": "postgres://other.example.org/other",
    "redis.url": "redis://other.example.org:6379/0",
    "registry.path": "other.example.org/other",
    "registry.environments": "other.example.org/environments",
    "image.pullPolicy": "Never",
    "service.type": "NodePort",
    "storage.accessMode": "ReadWriteMany",
    "backup.accessMode": "ReadWriteOnce",
    "trustedProxies": ["203.0.113.0/24"],
    "networkPolicies.blocked": ["203.0.113.0/24"],
    "gateway.parentRefs": [{"name": "other"}],
    "imagePullSecrets": [{"name": "other"}],
    "settingsSecrets": ["other"],
    "prePull.images": ["other.example.org/other:1"],
    "settings": {"PORTAL_TOKEN_DAYS": 7},
    "notebooks.podTemplate": {"spec": {"priorityClassName": "other"}},
    "monitoring.serviceMonitor.interval": "7s",
}
"""Other values, where not just any text, number or object will do."""
NEEDS: dict[str, dict[str, Any]] = {
    "registry.base": {"registry.base": {"username": "one", "password": "one"}},
    "gateway.parentRefs": {"gateway": {"enabled": True, "parentRefs": [{"name": "one"}]}},
    "redis.url": {"redis": {"url": "redis://one.example.org"}},
    "web.replicas": {"web.autoscaling.enabled": False},
    "worker.replicas": {"worker.autoscaling.enabled": False},
    "heldRoom.replicas": {"heldRoom.followUse.enabled": False},
    "embedded": {"embedded.enabled": True},
    "tls.issuer": {"tls.clusterIssuer": ""},
}
"""Other values that a value, or a section, needs to have an effect."""


def section(name: str) -> dict[str, Any]:
    schema = SCHEMA
    for key in name.split("."):
        schema = schema["properties"][key]
    return schema


def other(name: str, values: dict[str, Any]) -> Any:
    """Return a value that differs from the one in ``values`` and from the default."""
    schema = section(name)
    if name in OTHERS:
        return OTHERS[name]
    if schema["type"] == "boolean":
        return not at(values, name, at(DEFAULTS, name))
    return {"string": "other", "integer": 77, "number": 7.5, "array": [{"other": "x"}],
            "object": {"other": "x"}}[schema["type"]]  # fmt: skip


def at(values: dict[str, Any], name: str, default: Any = None) -> Any:
    here: Any = values
    for key in name.split("."):
        if key not in here:
            return default
        here = here[key]
    return here


def test_the_schema_has_exactly_the_values_and_their_types():
    def compare(values: dict[str, Any], schema: dict[str, Any]) -> None:
        assert schema["additionalProperties"] is False
        assert set(schema["properties"]) - {"global"} == set(values)
        for key, each in values.items():
            if "properties" in schema["properties"][key]:
                compare(each, schema["properties"][key])

    compare(DEFAULTS, SCHEMA)
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(DEFAULTS)


def test_each_value_is_described_in_the_schema():
    told = {name: section(name) for name in NAMES}
    assert [
        name for name, one in told.items() if not one["description"].endswith((".", "}."))
    ] == []
    assert [name for name, one in told.items() if "type" not in one] == []


def test_each_value_has_a_comment():
    """Values of one line share its comment."""
    uncommented = []
    lines = (CHART / "values.yaml").read_text().splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        key = re.match(r"( *)([A-Za-z]+):", line)
        is_section = key and (not line.split(":", 1)[1].strip()) and key[2] in DEFAULTS
        in_a_default = key and len(key[1]) > 2
        if key and not is_section and not in_a_default and not above.strip().startswith("#"):
            uncommented.append(line)
    assert uncommented == []


def test_each_value_is_documented():
    """Each has a row in docs/kubernetes.md, or that of its section lists it."""
    missing = []
    for name in NAMES:
        above, _dot, last = name.rpartition(".")
        if name not in ROWS and f"`{last}`" not in " ".join(ROWS.get(above, ())):
            missing.append(name)
    assert missing == []


def test_the_documentation_has_no_value_that_does_not_exist():
    known = {*NAMES, *(name.rpartition(".")[0] for name in NAMES)}
    heads = {name.partition(".")[0] for name in NAMES}
    assert [row for row in ROWS if row.partition(".")[0] in heads and row not in known] == []


def test_the_documented_defaults_are_the_real_ones():
    wrong = []
    for name in NAMES:
        default = at(DEFAULTS, name)
        if name in ROWS and isinstance(default, (bool, int, str)) and default != "":
            shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
            wrong += [name] if ROWS[name][0] != shown else []
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_each_value_changes_what_is_rendered(name):
    values = values_of("everything")
    for prefix in (name.partition(".")[0], name.rpartition(".")[0], name):
        for needed, value in NEEDS.get(prefix, {}).items():
            values = with_value(values, needed, value)
    changed = with_value(values, name, other(name, values))
    assert texts(changed) != texts(values)


def examples() -> list[dict[str, Any]]:
    """Return the values in the documentation: whole ones, and parts of some."""
    text = (ROOT / "docs/kubernetes.md").read_text().replace("…", "example")
    return [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize("example", examples(), ids="-".join)
def test_the_documented_values_can_be_installed(example):
    given = example if "host" in example else {**values_of("production"), **example}
    assert [each for each in objects(given) if each.name == "web"]


MISSING = {
    "host": "Set `host`",
    "registry.path": "Set `registry.path`",
    "database.url": "Set `database.url` or `database.existingSecret`",
    "redis.url": "Set `redis.url` or `redis.existingSecret`",
}


@pytest.mark.parametrize(("name", "words"), MISSING.items())
def test_what_is_missing_is_named(name, words):
    with pytest.raises(helm_python.HelmRenderError) as refusal:
        texts(with_value(values_of("production"), name, ""))
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hots", "bindery.example.org"),
        ("host", "https://bindery.example.org"),
        ("registry.path", "registry.example.org"),
        ("database.url", "mysql://db.example.org/bindery"),
        ("web.replicas", 0),
        ("web.replica", 3),
        ("settings", {"portal_url": "x"}),
        ("storage.accessMode", "ReadOnlyMany"),
    ],
)
def test_a_wrong_value_is_refused(name, value):
    with pytest.raises(helm_python.HelmValuesError):
        texts(with_value(values_of("production"), name, value))


def test_a_gateway_needs_a_class_or_parents():
    values = with_value(values_of("production"), "gateway", {"enabled": True})
    with pytest.raises(helm_python.HelmRenderError, match=r"gateway\.parentRefs"):
        texts(values)


@pytest.mark.parametrize("name", ["PORTAL_URL", "PORTAL_REGISTRY", "PORTAL_VOLUME_GB"])
def test_a_setting_has_only_one_place(name):
    values = with_value(values_of("production"), f"settings.{name}", "other")
    with pytest.raises(helm_python.HelmRenderError, match="the chart sets from another value"):
        texts(values)


def test_numbers_are_rendered_as_they_are_written():
    [data] = [each.thing["data"] for each in objects(values_of("everything"))
              if each.name == "bindery-settings"]  # fmt: skip
    assert data["PORTAL_HSTS_SECONDS"] == "31536000"
    assert data["PORTAL_BUILD_CPU"] == "1.5"
    assert data["PORTAL_UNATTENDED_COUNTS"] == "true"


def test_a_port_is_a_part_of_the_address_and_of_no_host_name():
    values = with_value(values_of("everything"), "host", "bindery.example.org:8443")
    values = with_value(values, "notebooksDomain", "notebooks.example.net:8443")
    found = {each.kind: each.thing for each in objects(values)}
    assert found["Ingress"]["spec"]["rules"][0]["host"] == "bindery.example.org"
    hosts = ["bindery.example.org", "*.notebooks.example.net"]
    [route] = [each.thing for each in objects(values)
               if each.kind == "HTTPRoute" and each.name == "bindery"]  # fmt: skip
    assert route["spec"]["hostnames"] == found["Ingress"]["spec"]["tls"][0]["hosts"] == hosts
    [data] = [each.thing["data"] for each in objects(values) if each.name == "bindery-settings"]
    assert data["PORTAL_URL"] == "https://bindery.example.org:8443"
    assert data["PORTAL_GATEWAY_DOMAIN"] == "notebooks.example.net:8443"


def test_notebooks_are_below_the_host_unless_they_have_a_domain():
    for domain, found in (("", "notebooks.bindery.example.org"), ("nb.example.net",) * 2):
        values = with_value(values_of("try"), "notebooksDomain", domain)
        settings, ingress = (
            next(each.thing for each in objects(values) if each.kind == kind)
            for kind in ("ConfigMap", "Ingress")
        )
        data = settings["data"]
        assert data["PORTAL_GATEWAY_DOMAIN"] == found
        hosts = [rule["host"] for rule in ingress["spec"]["rules"]]
        assert hosts == ["bindery.example.org", f"*.{found}"]
