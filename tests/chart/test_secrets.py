"""Keys are made in the cluster, once; nothing that is rendered has a secret but those given."""

from __future__ import annotations

import base64
import json
import re
import runpy
from typing import Any

import helm_python
import pytest

from sessions.backends.kubernetes.namespace import CONFIGMAP
from tests.chart.rendering import (
    ROOT,
    VALUE_SETS,
    Rendered,
    containers,
    objects,
    texts,
    values_of,
    with_value,
)
from tests.kubernetes.apiserver import ApiServer

WAYS = pytest.mark.parametrize("upgrade", [False, True], ids=["install", "upgrade"])
PROGRAM = "deploy/portal/make_secrets.py"
KEYS = ["PORTAL_SECRET_KEY", "PORTAL_ENCRYPTION_KEYS", "PORTAL_METRICS_TOKEN"]
ORDER = ["--unless-used", "bindery-keys", *KEYS]


@pytest.fixture
def program(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the program as the Job does, and returns what it prints."""
    monkeypatch.setenv("NAMESPACE", "test")
    monkeypatch.setenv("KUBECONFIG", api.kubeconfig)
    return runpy.run_path(str(ROOT / PROGRAM))["main"]


def strings(thing: object) -> list[str]:
    if isinstance(thing, dict):
        return [each for value in thing.values() for each in strings(value)]
    if isinstance(thing, list):
        return [each for value in thing for each in strings(value)]
    return [str(thing)]


@WAYS
@pytest.mark.parametrize("name", VALUE_SETS)
def test_a_rendered_secret_has_only_what_the_values_say(name, upgrade):
    values = values_of(name)
    given = set(strings(values))
    for each in objects(values, upgrade=upgrade):
        if each.kind != "Secret":
            continue
        for key, value in {
            **each.thing.get("data", {}),
            **each.thing.get("stringData", {}),
        }.items():
            if key == ".dockerconfigjson":
                [account] = json.loads(base64.b64decode(value))["auths"].values()
                assert {account["username"], account["password"]} <= given
                pair = f"{account['username']}:{account['password']}"
                assert base64.b64decode(account["auth"]).decode() == pair
            else:
                assert value in given


@WAYS
@pytest.mark.parametrize("name", VALUE_SETS)
def test_nothing_is_random(name, upgrade):
    """Two renders are equal (test_manifests), and no template asks the cluster or makes a key."""
    folder = ROOT / "deploy/chart/templates"
    for file in folder.rglob("*"):
        if file.is_file():
            assert not re.search(
                r"\b(rand\w+|gen\w+Key|lookup|uuidv4|htpasswd)\b", file.read_text()
            )


def test_no_secret_of_the_chart_is_called_as_one_that_is_made():
    for name in VALUE_SETS:
        made = {each.name for each in objects(values_of(name)) if each.kind == "Secret"}
        assert not made & {"bindery-keys", "bindery-embedded"}


@pytest.mark.parametrize(
    "name",
    ["DATABASE_URL", "REDIS_URL", *KEYS, "PORTAL_SECRET_KEY_FALLBACKS", "PORTAL_EMAIL_URL",
     "PORTAL_NGINX_SECRET", "OIDC_RP_CLIENT_SECRET", "OIDC_CAMPUS_RP_CLIENT_SECRET"],
)  # fmt: skip
def test_a_secret_is_no_setting(name):
    with pytest.raises(helm_python.HelmRenderError, match="is a secret"):
        texts(with_value(values_of("production"), f"settings.{name}", "x"))


def test_a_secret_that_exists_is_named_instead():
    values = values_of("plain")
    assert not [each for each in objects(values) if each.kind == "Secret" or "make" in each.name]
    [web] = [each for each in objects(values) if each.name == "web" and each.kind == "Deployment"]
    assert web.pod
    assert web.pod["spec"]["containers"][0]["envFrom"] == [
        {"configMapRef": {"name": "bindery-settings"}},
        {"secretRef": {"name": "bindery-secrets"}},
    ]


def test_the_program_makes_keys_once(api, program):
    assert "was made" in program(ORDER)
    [made] = api.things["secrets"].values()
    keys = made["stringData"]
    assert list(keys) == KEYS
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys.values())
    assert len(set(keys.values())) == len(KEYS)
    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    made["data"] = made.pop("stringData")  # as a real server keeps them
    assert "Nothing was changed" in program(ORDER)
    assert api.things["secrets"]["bindery-keys"]["data"] == keys
    assert [each for each in api.asked if each.split()[0] not in {"GET", "POST"}] == []


def test_the_program_refuses_where_a_portal_has_run_with_other_keys(api, program):
    api.put("configmaps", {"metadata": {"name": CONFIGMAP}})
    with pytest.raises(SystemExit) as refusal:
        program(ORDER)
    assert "keys.existingSecret" in str(refusal.value)
    assert not api.things["secrets"]


def test_the_program_does_not_complete_a_secret(api, program):
    api.put("secrets", {"metadata": {"name": "bindery-keys"}, "data": {"PORTAL_SECRET_KEY": "x"}})
    with pytest.raises(SystemExit) as refusal:
        program(ORDER)
    assert "lacks PORTAL_ENCRYPTION_KEYS, PORTAL_METRICS_TOKEN" in str(refusal.value)
    assert api.things["secrets"]["bindery-keys"]["data"] == {"PORTAL_SECRET_KEY": "x"}


def test_two_jobs_at_once_make_one_secret(api, program):
    """The other one makes it between this one's question and its own attempt."""
    other = {"metadata": {"name": "bindery-keys"}, "data": dict.fromkeys(KEYS, "other")}
    api.wrong = [(404, b"{}"), (404, b"{}")]
    api.put("secrets", other)
    assert "Nothing was changed" in program(ORDER)
    assert api.things["secrets"]["bindery-keys"]["data"] == other["data"]


@pytest.mark.parametrize("status", [403, 503])
def test_the_program_waits_for_its_rights_and_for_the_server(api, program, status):
    api.wrong = [(status, b"{}")]
    assert "was made" in program(ORDER)


def job() -> Rendered:
    found = objects({**values_of("try")})
    return next(each for each in found if each.kind == "Job" and each.name == "make-secrets")


def test_the_job_makes_the_secrets_that_the_portal_reads(api, program):
    assert job().pod
    for container in containers(job().pod or {}):
        assert container["command"] == ["python", PROGRAM]
        program(container["args"])
    made = {name: secret["stringData"] for name, secret in api.things["secrets"].items()}
    assert list(made["bindery-keys"]) == KEYS
    embedded = made["bindery-embedded"]
    assert embedded["DATABASE_URL"] == (
        f"postgres://bindery:{embedded['POSTGRES_PASSWORD']}@postgres/bindery"
    )
    assert embedded["REDIS_URL"] == f"redis://:{embedded['REDIS_PASSWORD']}@redis:6379/0"
    web = next(each for each in objects(values_of("try")) if each.name == "web" and each.pod)
    named = {each["secretRef"]["name"] for each in containers(web.pod or {})[0]["envFrom"][1:]}
    assert named == made.keys()


def test_the_jobs_role_allows_what_the_program_asks_and_no_more(api, program):
    api.put("configmaps", {"metadata": {"name": "another"}})
    for container in containers(job().pod or {}):
        program(container["args"])
    verbs = {"GET": "get", "POST": "create"}
    asked = {(verbs[each.split()[0]], *each.split()[1].split("/")) for each in api.asked}
    [role] = [each.thing for each in objects(values_of("try"))
              if each.kind == "Role" and each.name == "make-secrets"]  # fmt: skip
    allowed = {
        (verb, kind, *([name] if name else []))
        for rule in role["rules"]
        for verb in rule["verbs"]
        for kind in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }
    assert asked == allowed


def test_the_image_has_the_programs_of_the_chart():
    dockerfile = (ROOT / "deploy/portal/Dockerfile").read_text()
    ignored = (ROOT / "deploy/portal/Dockerfile.dockerignore").read_text()
    named = set(re.findall(r"deploy/portal/\w+\.py", " ".join(texts(values_of("try")).values())))
    assert len(named) == 3
    for program in named:
        assert re.search(rf"COPY .*{program}.* deploy/portal/\n", dockerfile)
        assert f"\n!{program}\n" in ignored
        assert (ROOT / program).exists()
