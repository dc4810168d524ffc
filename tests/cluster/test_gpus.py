"""GPUs are given to as many as there are; who comes later waits in a queue, and says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sessions.backends import BuildSpec, ServerReport, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from tests.backends.waiting import built, removed, server_report, settled, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

GPUS = 4
"""On the test cluster's node."""


def test_who_finds_no_gpu_free_waits_and_starts_when_one_is_given_back(
    backend: KubernetesBackend,
    order: Callable[[dict[str, str]], BuildSpec],
    wish: Callable[..., ServerSpec],
    images: dict[str, BuildSpec],
) -> None:
    image = images.get("plain") or built(backend, order({"index.ipynb": "{}"}))
    images["plain"] = image
    first = [wish(image, gpu=1) for _ in range(GPUS)]
    for spec in first:
        backend.ensure_server(spec)
    assert {settled(backend, spec).state for spec in first} == {"ready"}

    late = [wish(image, gpu=1), wish(image, gpu=1)]
    for place, spec in enumerate(late, start=1):
        backend.ensure_server(spec)
        report = waits(backend, spec)
        assert report.code == "spawn.no-gpu-free"
        assert f"number {place} in the queue" in report.message

    removed(backend, first[0].id)
    assert settled(backend, late[0]).state == "ready"
    assert "number 1 in the queue" in waits(backend, late[1]).message


def waits(backend: KubernetesBackend, spec: ServerSpec) -> ServerReport:
    """The report of a notebook that says what it waits for."""

    def said() -> ServerReport | None:
        report = server_report(backend, spec.id)
        return report if report and report.code else None

    return until(said, 10)
