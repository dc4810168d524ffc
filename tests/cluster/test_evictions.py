"""The cluster evicts a notebook that fills the disk, and the portal says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sessions.backends import BuildSpec, ServerReport, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from tests.backends.waiting import built, server_report, settled, until
from tests.githttp import GitServer

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.slow("the kubelet looks at disks each ten seconds", seconds=300),
]

FILLS = """#!/bin/bash
(sleep 8; head -c 300M /dev/zero > /tmp/much) &
exec "$@"
"""


def test_a_notebook_that_fills_the_disk_is_reported_as_evicted(
    backend: KubernetesBackend,
    git_server: GitServer,
    order: Callable[[dict[str, str]], BuildSpec],
    wish: Callable[..., ServerSpec],
) -> None:
    spec = order({"index.ipynb": "{}"})
    name = spec.url.removesuffix(".git").split("/", 3)[3]
    git_server.repository(name, {"start": FILLS}, executable=["start"])
    image = built(backend, replace(spec, commit=git_server.commit(name)))
    backend.site = replace(backend.site, notebook_disk=10**8)
    notebook = wish(image)
    backend.ensure_server(notebook)
    assert settled(backend, notebook).state == "ready"

    def gone() -> ServerReport | None:
        report = server_report(backend, notebook.id)
        return report if report and report.state == "gone" else None

    report = until(gone, 120)
    assert report.code == "spawn.evicted"
    assert "ephemeral local storage" in report.message
