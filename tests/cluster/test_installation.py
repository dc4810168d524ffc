"""The plain manifests are installed without Helm, and each of their commands runs."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from kubernetes import client, utils

from bench.drill import servers
from tests.cluster.kube import Kube, new_namespace, settings_for
from tests.cluster.release import made
from tests.stack import PROJECT, eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,  # the same manifests as those of the chart, which the checks install
    pytest.mark.slow("the portal's image is made here", seconds=600),
]

MANIFESTS = PROJECT / "deploy/kubernetes"
FILES = ("settings", "network-policies", "portal")
"""All manifests but the one for rights, which `settings_for` has applied."""
LOGIN = ("PORTAL_PUSH_SECRET", "PORTAL_PULL_SECRET", "PORTAL_REGISTRY_AUTH_FILE")
"""Variables that name the Secrets which a registry without credentials does not need."""


@pytest.fixture
def installed(kube: Kube, tmp_path: Path) -> Iterator[Kube]:
    """The namespace of a portal that runs in the cluster, one pod of each kind."""
    image = made(kube, "portal")
    with ExitStack() as ends:
        place = ends.enter_context(new_namespace())
        address = kube.own_address()
        _server, database = ends.enter_context(servers.postgres(address))
        _server, cache = ends.enter_context(servers.redis(address))
        known = {
            "DATABASE_URL": database,
            "REDIS_URL": cache,
            "PORTAL_SECRET_KEY": secrets.token_hex(32),
            "PORTAL_ENCRYPTION_KEYS": secrets.token_hex(32),
            "PORTAL_METRICS_TOKEN": secrets.token_hex(32),
        }
        name = {"name": "bindery-secrets"}
        place.core.create_namespaced_secret(
            place.namespace, {"metadata": name, "stringData": known}
        )
        for manifest in manifests(place, image, settings_for(place, tmp_path)):
            utils.create_from_dict(place.core.api_client, manifest, namespace=place.namespace)
        yield place


def manifests(kube: Kube, image: str, environment: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield all objects to install, with the replacements that the documentation asks for."""
    for file in FILES:
        for each in yaml.safe_load_all((MANIFESTS / f"{file}.yaml").read_text()):
            each["metadata"]["namespace"] = kube.namespace
            if each["kind"] == "ConfigMap":
                each["data"] = settings(each["data"], environment)
            for container in containers(each):
                assert container["image"] == "registry.example.org/bindery/portal:1"
                container["image"] = image
            if each["kind"] == "Deployment":
                each["spec"]["replicas"] = 1
            yield each


def settings(written: dict[str, str], environment: dict[str, str]) -> dict[str, str]:
    mine = {name: environment[name] for name in written.keys() & environment.keys()}
    kept = {name: value for name, value in written.items() if name not in LOGIN}
    return {**kept, **mine, "PORTAL_REGISTRY_PLAIN_HTTP": "1"}


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    if manifest["kind"] not in {"Job", "Deployment"}:
        return []
    pod = manifest["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_every_command_in_the_manifests_runs_in_the_documented_image(installed: Kube) -> None:
    jobs: Any = client.BatchV1Api(installed.core.api_client)
    migrate = eventually(
        lambda: ended(jobs.read_namespaced_job("migrate", installed.namespace).status),
        within=120,
        what="the end of the Job",
    )
    assert migrate == "Complete", told(installed)

    apps: Any = client.AppsV1Api(installed.core.api_client)
    deployments = apps.list_namespaced_deployment(installed.namespace).items
    assert {each.metadata.name for each in deployments} == {"web", "worker", "watch"}
    eventually(lambda: is_healthy(installed), within=120, what="a healthy portal")
    for part in ("worker", "watch"):
        (deployment,) = (each for each in deployments if each.metadata.name == part)
        assert checked(installed, deployment) == "0\n", told(installed)


def ended(status: Any) -> str:
    """Return how the Job ended, "" while it runs or tries again after a failed attempt."""
    return next((each.type for each in status.conditions or () if each.status == "True"), "")


def parts(kube: Kube, name: str) -> list[Any]:
    return kube.pods(f"app.kubernetes.io/component={name}")


def is_healthy(kube: Kube) -> bool:
    """Return whether a launch would work, by what web, worker and watch report of each other."""
    addresses = [pod.status.pod_ip for pod in parts(kube, "web") if pod.status.pod_ip]
    try:
        answers = [
            httpx.get(f"http://{address}:8000/health", headers={"Host": "localhost"}, timeout=5)
            for address in addresses
        ]
    except httpx.HTTPError:
        return False
    return bool(answers) and all(answer.status_code == 200 for answer in answers)


def checked(kube: Kube, deployment: Any) -> str:
    """Run the health check of a part in its pod; return what it printed, and its exit code."""
    part = deployment.metadata.name
    (container,) = deployment.spec.template.spec.containers
    (pod,) = parts(kube, part)
    command = shlex.join(container.liveness_probe._exec.command)
    return kube.run(pod.metadata.name, f"{command}; echo $?", container=part)


def told(kube: Kube) -> str:
    """Return the ends and logs of all pods, for the report of a failure."""
    return "\n".join(
        f"{pod.metadata.name}: {pod.status.container_statuses}\n{log(kube, pod)}"
        for pod in kube.pods()
    )


def log(kube: Kube, pod: Any) -> str:
    try:
        return kube.core.read_namespaced_pod_log(pod.metadata.name, kube.namespace, tail_lines=40)
    except client.ApiException as refused:  # its container has not started
        return str(refused.body)
