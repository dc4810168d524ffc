"""Helper pods are made on demand, read when they have ended, and never left behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sessions.backends import ProjectSize
from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes.homes import helper_pods
from sessions.backends.kubernetes.labels import volume_labels
from tests.kubernetes.apiserver import ApiServer
from tests.kubernetes.things import SERVER

pytestmark = pytest.mark.usefixtures("volume")
NAME = SERVER.name
DROP, MEASURE = f"helper-drop-{NAME}", f"helper-measure-{NAME}"


def ended(api: ApiServer, name: str, said: Any, *, minutes: float = 0) -> None:
    """End the helper with this result, this many minutes after it was made."""
    made = datetime.now(UTC) - timedelta(minutes=minutes)
    pod = api.things["pods"][name]
    state = {"terminated": {"exitCode": 0, "message": json.dumps(said)}}
    api.put(
        "pods",
        {
            **pod,
            "metadata": {**pod["metadata"], "creationTimestamp": made.isoformat()},
            "status": {"phase": "Succeeded", "containerStatuses": [{"name": "x", "state": state}]},
        },
    )


def test_a_helper_removes_the_projects_folder_and_is_then_deleted(api, backend):
    for _minute in range(2):
        assert backend.remove_project(NAME, "ada") is False
    assert list(api.things["pods"]) == [DROP]
    assert len(api.things["configmaps"]) == 1
    ended(api, DROP, {"size": 0})
    assert backend.remove_project(NAME, "ada") is True
    assert api.things["pods"] == {}


def test_a_project_without_a_folder_needs_no_helper(api, backend):
    assert backend.remove_project(NAME) is True
    assert api.things["pods"] == {}


def test_a_missing_volume_has_nothing_to_remove_or_measure(api, backend):
    api.drop("persistentvolumeclaims", "ada-nfs-pvc")
    assert backend.remove_project(NAME, "ada") is True
    assert backend.measure_project(NAME, "ada") == ProjectSize(0)
    assert api.things["pods"] == {}


def test_an_unlabelled_claim_is_left_alone(api, backend):
    api.put("persistentvolumeclaims", {"metadata": {"name": "ada-nfs-pvc", "labels": {}}})
    assert backend.remove_project(NAME, "ada") is True
    assert api.things["pods"] == {}


def test_another_portals_claims_and_helpers_are_left_alone(api, backend):
    backend.ensure_installation("mine")
    backend.remove_project(NAME, "ada")
    pod = api.things["pods"][DROP]
    labels = {**pod["metadata"]["labels"], "bindery/installation": "other"}
    api.put("pods", {**pod, "metadata": {**pod["metadata"], "labels": labels}})
    ended(api, DROP, {"size": 0}, minutes=30)
    backend.sweep()
    assert list(api.things["pods"]) == [DROP]
    labels = {**volume_labels("bob"), "bindery/installation": "other"}
    api.put("persistentvolumeclaims", {"metadata": {"name": "bob-nfs-pvc", "labels": labels}})
    assert backend.remove_project("bob-project", "bob") is True
    assert list(api.things["pods"]) == [DROP]


def test_a_blocked_project_folder_counts_as_removed(api, backend):
    backend.remove_project(NAME, "ada")
    ended(api, DROP, {"code": "spawn.home-blocked", "path": ".bindery"})
    assert backend.remove_project(NAME, "ada") is True


def test_a_failed_helper_is_retried_after_a_while(api, backend, caplog):
    backend.remove_project(NAME, "ada")
    ended(api, DROP, {"code": "home.failed", "why": "EIO"}, minutes=5)
    assert backend.remove_project(NAME, "ada") is False
    assert list(api.things["pods"]) == [DROP]
    ended(api, DROP, {"code": "home.failed", "why": "EIO"}, minutes=11)
    assert backend.remove_project(NAME, "ada") is False
    assert api.things["pods"] == {}
    assert "failed; it will be retried: EIO" in caplog.text
    backend.remove_project(NAME, "ada")
    assert list(api.things["pods"]) == [DROP]


def test_a_helper_measures_a_folder(api, backend):
    assert backend.measure_project(NAME, "ada") is None
    ended(api, MEASURE, {"size": 7_000})
    assert backend.measure_project(NAME, "ada") == ProjectSize(7_000)
    assert api.things["pods"] == {}
    backend.measure_project(NAME, "ada")
    ended(api, MEASURE, {"size": None})
    assert backend.measure_project(NAME, "ada") == ProjectSize(None)


def test_the_number_of_running_helpers_is_limited(api, backend, monkeypatch):
    monkeypatch.setattr(helper_pods, "MAX_RUNNING", 2)
    for number in range(4):
        assert backend.remove_project(f"project-{number}", "ada") is False
    assert list(api.things["pods"]) == ["helper-drop-project-0", "helper-drop-project-1"]
    ended(api, "helper-drop-project-0", {"size": 0})
    backend.remove_project("project-3", "ada")
    assert "helper-drop-project-3" in api.things["pods"]


def test_the_sweep_removes_abandoned_helpers(api, backend):
    backend.remove_project(NAME, "ada")
    backend.measure_project(NAME, "ada")
    for name, minutes in ((DROP, 19), (MEASURE, 21)):
        ended(api, name, {"size": 0}, minutes=minutes)
    assert backend.sweep() == []
    assert list(api.things["pods"]) == [DROP]


def test_a_helper_is_not_listed_as_notebook_build_or_project(api, backend):
    backend.measure_project(NAME, "ada")
    assert (backend.servers(), backend.builds(), backend.projects()) == ([], [], [])


def test_the_programs_config_map_is_created_before_the_pod(api, backend):
    backend.ensure_server(SERVER)
    backend.ensure_server(SERVER)
    assert api.asked.index("POST configmaps") < api.asked.index("POST pods")
    assert len(api.things["configmaps"]) == 1


def test_a_site_that_does_not_keep_homes_gets_no_config_map(api, cluster, settings):
    settings.PORTAL_KEEP_HOMES = False
    backend = KubernetesBackend()
    backend._cluster = cluster
    backend.ensure_server(SERVER)
    assert api.things["configmaps"] == {}
