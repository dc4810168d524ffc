"""The portal's account may do what the portal does, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from tests.cluster.kube import RIGHTS, Kube, as_portal

pytestmark = pytest.mark.cluster


def test_the_service_account_has_exactly_the_rights_of_its_role(kube: Kube, tmp_path: Path) -> None:
    api = config.new_client_from_config(str(as_portal(kube, tmp_path)))
    asked = {"spec": {"namespace": kube.namespace}}
    reviews: Any = client.AuthorizationV1Api(api)
    review = reviews.create_self_subject_rules_review(asked)
    found = {
        (resource, verb)
        for rule in review.status.resource_rules
        for resource in rule.resources
        for verb in rule.verbs
        if set(rule.api_groups) != {"authorization.k8s.io"}  # everybody may ask this very question
    }
    role = next(each for each in yaml.safe_load_all(RIGHTS.read_text()) if each["kind"] == "Role")
    allowed = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert found == allowed


@pytest.mark.parametrize("namespace", ["default", "kube-system"])
def test_the_service_account_cannot_read_other_namespaces(
    kube: Kube, tmp_path: Path, namespace: str
) -> None:
    api = config.new_client_from_config(str(as_portal(kube, tmp_path)))
    for lister in ("list_namespaced_pod", "list_namespaced_secret"):
        with pytest.raises(client.ApiException) as refusal:
            getattr(client.CoreV1Api(api), lister)(namespace)
        assert refusal.value.status == 403
