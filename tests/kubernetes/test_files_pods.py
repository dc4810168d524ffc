"""The pod that serves a person's files: made on demand, found again, and ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes import cluster as cluster_module
from sessions.backends.kubernetes.homes import filespods
from sessions.backends.kubernetes.labels import volume_labels
from sessions.errors import BinderyError, NotAllowed, NotYet, TemporaryError
from tests.kubernetes.apiserver import ApiServer
from tests.kubernetes.files_server import ADDRESS, serving
from tests.kubernetes.things import SERVER

pytestmark = pytest.mark.usefixtures("volume")
NAME = SERVER.name
POD = "helper-files-ada"
RUNNING = {"phase": "Running", "podIP": ADDRESS}


@pytest.fixture
def opened(backend: KubernetesBackend) -> Callable[..., str]:
    """Return a function that opens ada's files and returns the code of what it has raised."""

    def code(kind: type[BinderyError] = NotYet) -> str:
        with pytest.raises(kind) as error:
            backend.open_files(NAME, "ada")
        return error.value.code

    return code


def change(api: ApiServer, status: Any, *, minutes: float = 0, name: str = POD, **labels: str):
    """Give the pod a status, an age and labels."""
    pod, made = api.things["pods"][name], datetime.now(UTC) - timedelta(minutes=minutes)
    metadata = {**pod["metadata"], "creationTimestamp": made.isoformat()}
    metadata["labels"] = {**metadata["labels"], **labels}
    api.put("pods", {**pod, "metadata": metadata, "status": status})


def ended(reason: str) -> dict[str, Any]:
    state = {"terminated": {"exitCode": 1, "reason": reason, "message": "no\x1bword"}}
    return {"phase": "Failed", "containerStatuses": [{"name": "helper", "state": state}]}


def test_the_first_request_makes_a_pod_and_later_ones_wait_for_it(api, opened):
    assert opened() == opened() == "files.starting"
    assert list(api.things["pods"]) == [POD]
    assert len(api.things["configmaps"]) == 1
    change(api, {"phase": "Pending"})
    assert opened() == "files.starting"


def test_a_running_pod_is_asked_with_a_token_that_the_cluster_does_not_know(
    api, backend, opened, tmp_path: Path
):
    opened()
    pod = api.things["pods"][POD]
    secret = filespods.token(pod)
    assert secret not in json.dumps(pod)
    [container] = pod["spec"]["containers"]
    assert container["command"][-1] == hashlib.sha256(secret.encode()).hexdigest()
    change(api, RUNNING)
    assert opened_and_asked(backend) == "files.starting", "it does not listen yet"
    (tmp_path / "volume/thesis").mkdir(parents=True)
    with serving(tmp_path / "volume", secret):
        found = backend.open_files(NAME, "ada").entries("volume")
        assert [each.path for each in found] == ["volume/thesis"]


def opened_and_asked(backend: KubernetesBackend) -> str:
    with pytest.raises(NotYet) as early:
        backend.open_files(NAME, "ada").entries("volume")
    return early.value.code


def test_a_changed_secret_key_makes_a_new_pod(api, backend, opened, settings, tmp_path: Path):
    opened()
    change(api, RUNNING)
    with serving(tmp_path, filespods.token(api.things["pods"][POD])):
        settings.SECRET_KEY = "another"
        assert opened_and_asked(backend) == "files.starting"
    assert api.things["pods"] == {}


def test_a_person_without_a_volume_has_no_files_and_gets_no_pod(api, backend):
    api.drop("persistentvolumeclaims", "ada-nfs-pvc")
    files = backend.open_files(NAME, "ada")
    assert files.entries("") == []
    with pytest.raises(FileNotFoundError):
        files.content("volume/x")
    assert api.things["pods"] == {}


@pytest.mark.parametrize(
    "labels", [{}, volume_labels("bob"), {**volume_labels("ada"), "bindery/installation": "other"}]
)
def test_a_claim_that_is_not_the_persons_is_not_opened(api, backend, opened, labels):
    backend.ensure_installation("mine")
    api.put("persistentvolumeclaims", {"metadata": {"name": "ada-nfs-pvc", "labels": labels}})
    assert opened(NotAllowed) == "files.volume-unknown"
    assert api.things["pods"] == {}


def test_another_portals_pod_is_neither_asked_nor_ended(api, backend, opened):
    backend.ensure_installation("mine")
    opened()
    change(api, RUNNING, minutes=500, **{"bindery/installation": "other"})
    assert opened(TemporaryError) == "kubernetes.foreign"
    backend.sweep()
    backend.ensure_server(SERVER)
    assert POD in api.things["pods"]


def test_a_pod_that_ended_for_idleness_is_replaced_at_once(api, opened):
    opened()
    before = api.things["pods"][POD]["metadata"]["annotations"]
    change(api, {"phase": "Succeeded"})
    assert opened() == "files.starting"
    assert api.things["pods"][POD]["metadata"]["annotations"] != before


def test_a_pod_that_failed_says_why_and_is_replaced_after_a_minute(api, backend, opened):
    opened()
    change(api, ended("OOMKilled"), minutes=0.5)
    with pytest.raises(NotYet) as early:
        backend.open_files(NAME, "ada")
    assert early.value.code == "files.failed"
    assert "OOMKilled no" in early.value.message and "\x1b" not in early.value.message
    assert 20 <= early.value.retry_after <= 31
    change(api, ended("OOMKilled"), minutes=1.1)
    assert opened() == "files.starting"
    assert api.things["pods"][POD].get("status") is None


WAITING = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"containerStatuses": [{"name": "helper", "state": WAITING}]}, "ImagePullBackOff no such"),
        ({"conditions": [UNSCHEDULED]}, "0/1 nodes are available"),
        ({}, "the pod has not started"),
    ],
)
def test_a_pod_that_does_not_start_says_why(api, backend, opened, status, why):
    opened()
    change(api, {"phase": "Pending", **status}, minutes=1)
    with pytest.raises(NotYet) as early:
        backend.open_files(NAME, "ada")
    assert early.value.code == "files.starting"
    assert why in early.value.message


def test_a_launch_ends_the_persons_pod_before_it_makes_the_notebooks(api, backend, opened):
    opened()
    change(api, RUNNING)
    api.put("pods", {**api.things["pods"][POD], "metadata": {"name": "helper-files-bob"}})
    backend.ensure_server(SERVER)
    assert set(api.things["pods"]) == {"helper-files-bob", f"{NAME}-{SERVER.id}"}
    made = len(api.asked) - api.asked[::-1].index("POST pods")
    assert api.asked.index(f"DELETE pods/{POD}") < made


@pytest.mark.parametrize(
    ("status", "minutes", "stays"),
    [
        ({"phase": "Pending"}, 9, True),
        ({"phase": "Pending"}, 11, False),
        (RUNNING, 120, True),
        (RUNNING, 131, False),
        ({"phase": "Succeeded"}, 0.5, True),
        ({"phase": "Succeeded"}, 2, False),
        (ended("Error"), 2, False),
    ],
)
def test_the_sweep_removes_what_is_left(api, backend, opened, status, minutes, stays):
    opened()
    change(api, status, minutes=minutes)
    backend.sweep()
    assert (POD in api.things["pods"]) == stays


def test_the_number_of_pods_is_limited_and_other_helpers_do_not_count(
    api, backend, opened, monkeypatch
):
    monkeypatch.setattr(filespods, "MAX_PODS", 1)
    backend.measure_project(NAME, "ada")
    assert opened() == "files.starting"
    claim = {"name": "bob-nfs-pvc", "labels": volume_labels("bob")}
    api.put("persistentvolumeclaims", {"metadata": claim})
    with pytest.raises(NotYet) as early:
        backend.open_files(NAME, "bob")
    assert early.value.code == "files.busy"
    change(api, {"phase": "Succeeded"})
    with pytest.raises(NotYet) as early:
        backend.open_files(NAME, "bob")
    assert early.value.code == "files.starting"


def test_the_pod_is_not_listed_as_notebook_build_or_project(api, backend, opened):
    opened()
    assert (backend.servers(), backend.builds(), backend.projects()) == ([], [], [])


def test_a_silent_cluster_holds_a_page_up_for_seconds_only(api, backend, monkeypatch):
    monkeypatch.setattr(cluster_module, "PAGE_SECONDS", 0.2)
    api.hang()
    with pytest.raises(TemporaryError) as error:
        backend.open_files(NAME, "ada")
    assert error.value.code == "cluster.unreachable"


def test_a_cluster_that_refuses_the_pod_is_no_error_of_the_person(api, opened, caplog):
    api.fail(403, b'{"message": "violates PodSecurity"}')
    assert opened(TemporaryError) == "files.unreachable"
    assert "could not be made" in caplog.text
