"""Each kind of repository that repo2docker knows gets its build pack and a Dockerfile.

Only the plan is checked here: a pod with the first two stages of a build. Rendering some kinds asks
the Internet for versions; if it does not answer, a sentence says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sessions.backends import BuildSpec
from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes.buildpod import build_pod
from tests.backends.waiting import until
from tests.cluster.kube import Kube

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow("a pod with two containers, one after the other", seconds=150),
]

CONDA = "name: own\ndependencies: [numpy]\n"
PIPFILE = '[packages]\nsix = "*"\n'
JULIA = '[deps]\nPkg = "44cfe95a-1eb2-52ea-b672-e2afdf69b78f"\n'
OFFLINE = "build.render"
LONG = pytest.mark.long
"""Kinds that other checks cover in a whole launch, or in another folder."""


@pytest.mark.parametrize(
    ("files", "pack", "needle"),
    [
        pytest.param({"environment.yml": CONDA}, "conda", "environment.yml", marks=LONG),
        ({"binder/environment.yml": CONDA}, "conda", "binder/environment.yml"),
        pytest.param({"requirements.txt": "six\n"}, "python", "pip install", marks=LONG),
        ({".binder/requirements.txt": "six\n"}, "python", "pip install"),
        ({"setup.py": "from setuptools import setup; setup(name='own')\n"}, "python", "install"),
        ({"Pipfile": PIPFILE}, "pipfile", "pipenv"),
        ({"apt.txt": "vim\n"}, "python", "vim"),
        pytest.param({"postBuild": "#!/bin/sh\ntrue\n"}, "python", "postBuild", marks=LONG),
        pytest.param({"start": '#!/bin/sh\nexec "$@"\n'}, "python", "start", marks=LONG),
        pytest.param(
            {"Dockerfile": "FROM scratch\nLABEL own=1\n"}, "dockerfile", "LABEL own=1", marks=LONG
        ),
        ({"binder/Dockerfile": "FROM scratch\nLABEL own=1\n"}, "dockerfile", "LABEL own=1"),
        ({"default.nix": "{}\n"}, "nix", "nix"),
        ({"install.R": "install.packages('x')\n", "runtime.txt": "r-2024-01-01\n"}, "r", "FROM"),
        ({"Project.toml": JULIA}, "julia", "FROM"),
        pytest.param({"index.ipynb": "{}"}, "python", "FROM", marks=LONG),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else None,
)
def test_each_kind_of_repository_gets_its_build_pack_and_dockerfile(
    backend: KubernetesBackend,
    kube: Kube,
    order: Callable[[dict[str, str]], BuildSpec],
    files: dict[str, str],
    pack: str,
    needle: str,
) -> None:
    pod = planning(build_pod(order(files), backend.site))
    kube.core.create_namespaced_pod(kube.namespace, pod)
    name = pod["metadata"]["name"]
    try:
        results = until(lambda: _results(kube, name), 120)
        if results["plan"].get("code") == OFFLINE and pack in {"r", "julia"}:
            assert results["plan"]["message"].endswith(".")
            return
        assert results["plan"].get("pack") == pack, results
        dockerfile = kube.core.read_namespaced_pod_log(name, kube.namespace, container="show")
        assert needle in dockerfile
        assert "FROM " in dockerfile
    finally:
        kube.core.delete_namespaced_pod(name, kube.namespace, grace_period_seconds=0)


def planning(pod: dict[str, Any]) -> dict[str, Any]:
    """Change the pod of a build so that it ends with its plan, and shows it."""
    fetch, plan, *_others = pod["spec"]["initContainers"]
    pod["spec"]["initContainers"] = [fetch, plan]
    pod["spec"]["containers"] = [
        {**plan, "name": "show", "command": ["cat", "/build/plan/Dockerfile"]}
    ]
    pod["metadata"]["labels"] = {}
    return pod


def _results(kube: Kube, name: str) -> dict[str, Any] | None:
    """Return each container's result once the pod has ended, None before."""
    status = kube.core.read_namespaced_pod(name, kube.namespace).status
    if status.phase not in {"Succeeded", "Failed"}:
        return None
    return {
        each.name: json.loads(each.state.terminated.message or "{}")
        for each in status.init_container_statuses
        if each.state.terminated
    }
