"""The doctor's checks of a cluster and a registry, and its findings."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sessions.backends.kubernetes.cluster import Cluster
from sessions.backends.kubernetes.preflight import REQUIRED_RIGHTS, check_access, examine
from sessions.backends.kubernetes.site import Site, site_from_settings
from sessions.errors import TemporaryError
from tests.kubernetes.apiserver import ApiServer
from tests.kubernetes.registryserver import GuardedRegistry, RegistryServer

RBAC = Path(__file__).resolve().parents[2] / "deploy/kubernetes/rbac.yaml"


@pytest.fixture
def site() -> Site:
    return dataclasses.replace(
        site_from_settings(),
        builder_image="registry.example.org/builder@sha256:0123",
        push_secret="push",
        pull_secret="pull",
        storage_class="fast",
    )


@pytest.fixture
def well(api: ApiServer) -> None:
    for name in ("push", "pull"):
        api.put("secrets", {"metadata": {"name": name}})
    api.put("storageclasses", {"metadata": {"name": "fast"}})


def found(cluster: Cluster, site: Site) -> dict[str, str]:
    return {problem.id: problem.message for problem in examine(cluster, site, lambda: None)}


def test_a_complete_cluster_has_no_problems(well, cluster, site):
    assert found(cluster, site) == {}


def test_missing_rights_are_named(well, api, cluster, site):
    api.denied = {"patch pods", "watch pods", "get pods/log"}
    said = [problem.message for problem in examine(cluster, site, lambda: None)]
    assert len(said) == 2
    assert "may not watch, patch pods" in said[0]
    assert "may not get pods/log" in said[1]


def test_missing_secrets_and_storage_classes_are_reported(api, cluster, site):
    assert found(cluster, site).keys() == {"kubernetes.secret", "kubernetes.storage-class"}


def test_a_storage_class_the_portal_may_not_read_is_not_reported(well, api, cluster, site):
    calls = sum(len(verbs) for verbs in REQUIRED_RIGHTS.values()) + 2
    api.wrong += [(200, b"")] * calls + [(403, b"{}")]
    elsewhere = dataclasses.replace(site, storage_class="slow")
    assert found(cluster, elsewhere) == {}


def test_a_builder_image_named_by_a_tag_is_reported(well, cluster, site):
    tagged = dataclasses.replace(site, builder_image="registry.example.org/builder:latest")
    assert found(cluster, tagged).keys() == {"kubernetes.builder-tag"}


def test_a_registry_that_refuses_the_portal_is_reported(well, cluster, site):
    def refused() -> None:
        raise TemporaryError("registry.refused", "It does not let the portal in.")

    (problem,) = examine(cluster, site, refused)
    assert problem.id == "registry.refused"


@pytest.fixture
def guarded(api: ApiServer, site: Site) -> Iterator[tuple[GuardedRegistry, Site]]:
    """A registry with accounts, each for its own paths, and a site that uses it."""
    with GuardedRegistry({"portal": "", "stranger": "public/"}) as registry:
        used = dataclasses.replace(
            site, registry=f"{registry.address}/own", plain_http=True, base_secret="base"
        )
        yield registry, used


def put_account(api: ApiServer, config: str) -> None:
    data = {".dockerconfigjson": base64.b64encode(config.encode()).decode()}
    api.put("secrets", {"metadata": {"name": "base"}, "data": data})


def test_a_base_image_account_without_access_to_environments_is_fine(well, api, cluster, guarded):
    registry, site = guarded
    put_account(api, registry.config("stranger"))
    assert found(cluster, site) == {}


def test_a_base_image_account_that_reads_environments_is_reported(well, api, cluster, guarded):
    registry, site = guarded
    put_account(api, registry.config("portal"))
    assert "other people's environments" in found(cluster, site)["registry.base-account"]


def test_no_login_is_tried_without_a_base_image_account(well, cluster, guarded):
    _registry, site = guarded
    assert found(cluster, dataclasses.replace(site, base_secret="")) == {}


@pytest.mark.parametrize("config", ["", "nonsense", '{"auths": {"ADDRESS": {"auth": "?"}}}'])
def test_unreadable_credentials_of_the_base_image_account_are_reported(
    config, well, api, cluster, guarded
):
    registry, site = guarded
    put_account(api, config.replace("ADDRESS", registry.address))
    assert found(cluster, site).keys() == ({"registry.base-account"} if config else set())


def test_a_registry_that_allows_anonymous_reads_is_reported(well, cluster, site):
    with RegistryServer() as registry:
        used = dataclasses.replace(site, registry=f"{registry.address}/own", plain_http=True)
        assert found(cluster, used).keys() == {"registry.open"}


def test_the_required_rights_match_the_role_in_the_manifest():
    documents = yaml.safe_load_all(RBAC.read_text())
    rules = next(each for each in documents if each["kind"] == "Role")["rules"]
    given = {rule["resources"][0]: set(rule["verbs"]) for rule in rules}
    assert given == {kind: set(verbs) for kind, verbs in REQUIRED_RIGHTS.items()}


def lacking(cluster: Cluster, site: Site) -> dict[str, str]:
    return {problem.id: problem.message for problem in check_access(cluster, site)}


def test_missing_rights_and_objects_are_seen_each_minute(api, cluster, site):
    api.denied = {"create pods"}
    named = dataclasses.replace(site, ca_configmap="authorities")
    found = lacking(cluster, named)
    assert found.keys() == {"kubernetes.rights", "kubernetes.secret", "kubernetes.configmap"}
    assert "may not create pods" in found["kubernetes.rights"]
    assert "authorities" in found["kubernetes.configmap"]
    assert len(api.asked) == 5


def test_a_complete_cluster_lacks_nothing(well, api, cluster, site):
    assert lacking(cluster, site) == {}


def test_rights_that_the_cluster_does_not_list_are_asked_for(api, well, cluster, site):
    api.answers["selfsubjectrulesreviews"] = {"status": {"incomplete": True, "resourceRules": []}}
    assert lacking(cluster, site) == {}
    api.denied = {"watch pods"}
    assert "may not watch pods" in lacking(cluster, site)["kubernetes.rights"]
