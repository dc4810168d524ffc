"""GPUs are given to as many notebooks as there are GPUs; later ones wait in a queue, and say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sessions.backends import BuildSpec, ServerReport, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from tests.backends.waiting import removed, server_report, settled, until
from tests.githttp import GitServer
from tests.stack import Api, eventually

# Each wants all GPUs of the node, so one process runs both, as tests of whole portals.
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.stack,
    pytest.mark.slow("notebooks start, more than one node has room for", seconds=400),
]

GPUS = 4
"""GPUs on the test cluster's node."""


@pytest.mark.long
def test_a_notebook_waits_in_the_queue_until_a_gpu_is_free(
    backend: KubernetesBackend, wish: Callable[..., ServerSpec], plain: BuildSpec
) -> None:
    first = [wish(plain, gpu=1) for _ in range(GPUS)]
    for spec in first:
        backend.ensure_server(spec)
    assert {settled(backend, spec).state for spec in first} == {"ready"}

    late = [wish(plain, gpu=1), wish(plain, gpu=1)]
    for place, spec in enumerate(late, start=1):
        backend.ensure_server(spec)
        report = waits(backend, spec)
        assert report.code == "spawn.no-gpu-free"
        assert f"number {place} in the queue" in report.message

    removed(backend, first[0].id)
    started = until(lambda: next((spec for spec in late if is_ready(backend, spec)), None))
    (other,) = (spec for spec in late if spec is not started)
    assert "number 1 in the queue" in waits(backend, other).message


def is_ready(backend: KubernetesBackend, spec: ServerSpec) -> bool:
    """Return whether the notebook is ready; of two that wait, Kubernetes may start the later one
    first, since each that found no room is retried after a pause of its own.
    """
    report = server_report(backend, spec.id)
    return report is not None and report.state == "ready"


def waits(backend: KubernetesBackend, spec: ServerSpec) -> ServerReport:
    """Return the report of a notebook once it says what it waits for."""

    def said() -> ServerReport | None:
        report = server_report(backend, spec.id)
        return report if report and report.code else None

    return until(said, 10)


@pytest.mark.long
def test_a_repository_that_asks_for_a_gpu_gets_one_or_queues(git: GitServer, ada: Api) -> None:
    url = git.repository("ada/gpu", {".resources": "gpu=1\n", "index.ipynb": "{}"})
    first = ada.launch(url)
    assert ada.until(first, "ready", within=300)["resources"]["gpu"] == 1
    others = [ada.launch(url) for _ in range(GPUS - 1)]
    for name in others:
        ada.until(name, "ready")
    late = ada.launch(url)
    place = "number 1 in the queue"
    eventually(lambda: place in ada.project(late)["message"], within=60, what="the queue")
    assert ada.project(late)["code"] == "spawn.no-gpu-free"
    assert any(place in item["message"] for item in ada.story(late))
    ada.delete(first)
    assert ada.until(late, "ready")["message"] == ""


def test_too_many_requested_gpus_are_refused_before_the_build(git: GitServer, ada: Api) -> None:
    name = ada.launch(git.repository("ada/gpus", {".resources": "gpu=3\n"}))
    project = ada.until(name, "failed")
    assert project["code"] == "resources.gpu"
    assert not ada.log(name)[0]
