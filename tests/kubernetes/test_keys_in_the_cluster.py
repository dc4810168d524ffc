"""When the Secrets with people's keys are made and deleted, as the API server sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keys.keypairs import SshIdentity
from tests.kubernetes.apiserver import ApiServer
from tests.kubernetes.things import BUILD, SERVER

ADA = SshIdentity("the private key", "ssh-ed25519 AAAAada ada@bindery", "known")
NEW = SshIdentity("the next one", "ssh-ed25519 AAAAnew ada@bindery", "known")
OWN = replace(SERVER, identity=ADA)
SECRET_BUILD = replace(BUILD, identity=ADA)


def secret(api: ApiServer, name: str) -> dict[str, Any]:
    return api.things["secrets"][name]


def test_the_key_secret_is_created_before_the_pod_and_owned_by_the_run(api, backend):
    backend.ensure_server(OWN)
    backend.ensure_server(OWN)
    key = secret(api, "ada-ssh-key")
    assert key["stringData"]["ssh.priv"] == "the private key"
    (owner,) = key["metadata"]["ownerReferences"]
    assert owner["uid"] == secret(api, "ada-flowers-lrkajvgx-9")["metadata"]["uid"]
    versions = [int(each["metadata"]["resourceVersion"]) for each in api.things["pods"].values()]
    assert len(versions) == 1
    first_pod = api.asked.index("POST pods")
    assert "POST secrets" in api.asked[:first_pod]


def test_a_removed_run_gets_no_key(api, backend):
    backend.ensure_server(SERVER)
    backend.remove_server(SERVER.id)
    backend.ensure_server(OWN)
    assert "ada-ssh-key" not in api.things["secrets"]


def test_a_garbage_collected_key_secret_is_created_again(api, backend):
    backend.ensure_server(OWN)
    api.drop("secrets", "ada-ssh-key")
    backend.ensure_server(OWN)
    assert secret(api, "ada-ssh-key")["stringData"]["ssh.priv"] == "the private key"


def test_a_new_key_reaches_running_notebooks(api, backend):
    backend.ensure_server(OWN)
    backend.ensure_server(replace(OWN, id=10, name="ada-trees-lrkajvgx"))
    backend.ensure_server(replace(OWN, id=11, name="bob-trees-lrkajvgx", owner="bob", volume="bob"))
    backend.renew_identity("ada", NEW)
    backend.renew_identity("ada", NEW)
    assert secret(api, "ada-ssh-key")["stringData"]["ssh.priv"] == "the next one"
    assert secret(api, "ada-ssh-key")["metadata"]["labels"]["bindery/kind"] == "key"
    assert secret(api, "bob-ssh-key")["stringData"]["ssh.priv"] == "the private key"
    told = {
        name
        for name, pod in api.things["pods"].items()
        if "bindery/keys" in pod["metadata"].get("annotations", {})
    }
    assert told == {"ada-flowers-lrkajvgx-9", "ada-trees-lrkajvgx-10"}
    assert "the next one" not in str(api.things["pods"])


def test_a_person_without_notebooks_gets_no_key_secret(api, backend):
    backend.renew_identity("ada", NEW)
    assert api.things["secrets"] == {}


def test_forgetting_an_identity_deletes_its_secret(api, backend):
    backend.ensure_server(OWN)
    backend.forget_identity("ada")
    backend.forget_identity("ada")
    assert set(api.things["secrets"]) == {"ada-flowers-lrkajvgx-9"}
    assert set(api.things["pods"]) == {"ada-flowers-lrkajvgx-9"}


def test_key_secrets_are_not_listed_as_projects_servers_or_builds(api, backend):
    backend.ensure_server(OWN)
    backend.ensure_build(SECRET_BUILD)
    assert backend.projects() == [SERVER.name]
    assert [report.id for report in backend.servers()] == [SERVER.id]
    assert [report.id for report in backend.builds()] == [BUILD.id]


def test_a_builds_key_secret_is_owned_by_its_pod(api, backend):
    backend.ensure_build(SECRET_BUILD)
    backend.ensure_build(SECRET_BUILD)
    (owner,) = secret(api, "build-7-key")["metadata"]["ownerReferences"]
    assert owner["uid"] == api.things["pods"]["build-7"]["metadata"]["uid"]
    assert api.asked.index("POST secrets") < api.asked.index("POST pods")


def test_a_leftover_key_secret_is_replaced(api, backend):
    backend.ensure_build(replace(SECRET_BUILD, identity=NEW))
    backend.ensure_build(SECRET_BUILD)
    assert secret(api, "build-7-key")["stringData"]["ssh.priv"] == "the private key"


@pytest.mark.parametrize("end", ["cancel_build", "forget_build"])
def test_a_builds_key_secret_is_deleted_when_the_build_ends(api, backend, end):
    backend.ensure_build(SECRET_BUILD)
    getattr(backend, end)(BUILD.id)
    getattr(backend, end)(BUILD.id)
    assert api.things["secrets"] == {}


def test_a_build_without_a_key_makes_no_request_for_secrets(api, backend):
    backend.ensure_build(BUILD)
    assert not any("secrets" in asked for asked in api.asked)
