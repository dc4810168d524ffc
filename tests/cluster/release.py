"""The chart in a namespace of the cluster, installed by the commands of the documentation.

Helm's own library runs them. People reach the portal through a proxy on loopback, as they would
through a load balancer, which knows nothing but the Service's address.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import helm_python
import httpx
import yaml
from kubernetes import client

from tests.cluster.kube import CERTIFICATES, TEMPLATE, Kube, end_of, new_namespace
from tests.faults import FaultyProxy
from tests.stack import NO_AUTHORITIES, PROJECT, Api, eventually

PAGES = (PROJECT / "docs/kubernetes.md", PROJECT / "docs/upgrade.md")
PARTS = ("web", "worker", "watch")
SMALL = {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
UNITS = {"s": 1, "m": 60}
PREPARE = """
metadata: {{name: prepare}}
spec:
  restartPolicy: Never
  securityContext: {{runAsUser: 0}}
  containers:
    - name: owner
      image: {image}
      command: [chown, "999:999", /data]
      volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: data-postgres-0}}}}]
"""
"""Gives the database's volume to its account, since volumes of the test cluster belong to root and
know no fsGroup."""


class Release:
    """The portal of a release, as its operator and its people see it."""

    patience = 3.0

    def __init__(self, kube: Kube, proxy: FaultyProxy) -> None:
        self.kube = kube
        self.proxy = proxy
        self.port = proxy.port
        self.url = f"http://localhost:{proxy.port}"
        self.domain = f"notebooks.localhost:{proxy.port}"
        self.values = values(kube, self.port)
        self.apps: Any = client.AppsV1Api(kube.core.api_client)

    def helm(self, command: str) -> dict[str, Any]:
        """Run a command of the documentation in this namespace, with the values of this release."""
        asked = _PARSER.parse_args(shlex.split(command)[1:])
        seconds = int(asked.timeout[:-1]) * UNITS[asked.timeout[-1]]
        with helm_python.Config(namespace=self.kube.namespace) as helm:
            if asked.verb == "test":
                return helm.test(asked.name, timeout=seconds, logs=asked.logs)
            if asked.verb == "uninstall":
                return helm.uninstall(asked.name, timeout=seconds, ignore_not_found=True)
            if asked.verb == "rollback":
                helm.rollback(asked.name, timeout=seconds, wait=asked.wait)
                return {}
            more = {"create_namespace": True} if asked.create_namespace else {}
            done = getattr(helm, asked.verb)(
                PROJECT / asked.chart,
                asked.name,
                self.values,
                namespace=self.kube.namespace,
                timeout=seconds,
                wait=asked.wait,
                **more,
            )
        if asked.verb == "install":
            service = self.kube.core.read_namespaced_service("bindery", self.kube.namespace)
            self.proxy.target = (service.spec.cluster_ip, 80)
        return dict(done)

    def pods(self, part: str) -> list[Any]:
        """Return the pods of a part which are not about to end."""
        found = self.kube.pods(f"app.kubernetes.io/component={part}")
        return [each for each in found if not each.metadata.deletion_timestamp]

    def health(self) -> httpx.Response:
        return httpx.get(f"{self.url}/health", timeout=10, verify=NO_AUTHORITIES)

    def is_healthy(self) -> bool:
        try:
            return self.health().status_code == 200
        except httpx.HTTPError:
            return False

    def manage(self, words: str) -> str:
        """Run a command of ``manage.py`` in a web pod; return what it printed."""
        pod = self.pods("web")[0].metadata.name
        return self.kube.run(pod, f"python manage.py {words}", container="web")

    def secrets(self) -> dict[str, dict[str, str]]:
        """Return the Secrets that the release has, but for Helm's own."""
        found = self.kube.core.list_namespaced_secret(self.kube.namespace).items
        return {
            each.metadata.name: each.data
            for each in found
            if each.type in {"Opaque", "kubernetes.io/dockerconfigjson"}
            and each.metadata.labels
            and each.metadata.labels.get("app.kubernetes.io/name") == "bindery"
        }

    @contextmanager
    def api(self, username: str) -> Iterator[Api]:
        token = self.manage(f"create_token {username}").split()[-1]
        with Api(self, token) as api:
            yield api

    def told(self) -> str:
        """Return the ends and logs of all pods, for the report of a failure."""
        return "\n".join(
            f"{pod.metadata.name}: {pod.status.phase}\n{_log(self.kube, pod, container.name)}"
            for pod in self.kube.pods()
            for container in [*(pod.spec.init_containers or []), *pod.spec.containers]
        )


def documented(verb: str) -> str:
    """Return the first command of the documentation with this verb of Helm."""
    text = "\n".join(page.read_text() for page in PAGES)
    found = re.search(rf"^helm {verb} .*|(?<=`)helm {verb} [^`]*", text, re.MULTILINE)
    assert found, f"the documentation has no `helm {verb}`"
    return found[0]


@contextmanager
def prepared() -> Iterator[Release]:
    """Yield a release that is not installed, in a namespace of its own."""
    with new_namespace() as kube, FaultyProxy(("", 0)) as proxy:
        release = Release(kube, proxy)
        _give_volume(kube)
        try:
            yield release
        finally:
            release.helm(documented("uninstall"))


def made(kube: Kube, kind: str) -> str:
    """Return an image of `bin/cluster-image`, which is made now if it was not made before."""
    if image := os.environ.get(f"TEST_{kind.upper()}_IMAGE"):
        return image
    done = subprocess.run(
        ["bin/cluster-image", kind],
        cwd=PROJECT,
        env={**os.environ, "TEST_REGISTRY": kube.registry},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def values(kube: Kube, port: int) -> dict[str, Any]:
    """Return the example of the documentation for trying it out, with what this cluster needs: it
    is small and old, and its registry speaks plain HTTP.
    """
    template = yaml.safe_load(TEMPLATE.format(image=f"{kube.registry}/jupyter:1"))
    pair = made(kube, "embedded")
    return {
        "host": f"localhost:{port}",
        "notebooksDomain": f"notebooks.localhost:{port}",
        "tls": {"enabled": False},
        "registry": {"path": f"{kube.registry}/{kube.namespace}", "plainHTTP": True},
        "image": named(made(kube, "portal")),
        "builder": named(made(kube, "builder")),
        "embedded": {"enabled": True, "postgresImage": pair, "redisImage": pair, "size": "1Gi"},
        "disruptionBudgets": {"enabled": False},
        "caConfigMap": "ca" if CERTIFICATES.exists() else "",
        "storage": {"sizeGB": 1},
        "notebooks": {"podTemplate": template},
        **{part: {"replicas": 2, "resources": SMALL} for part in PARTS},
        "settings": {
            "PORTAL_PYTHON_IMAGE": f"{kube.registry}/jupyter:1",
            "PORTAL_CPU_REQUEST": 0.02,
            "PORTAL_MEMORY_REQUEST_GB": 0.1,
        },
    }


def named(image: str) -> dict[str, str]:
    """Return the values for an image's reference, which has a tag or a digest."""
    repository, _at, tag = image.rpartition("@" if "@" in image else ":")
    return {"repository": repository, "tag": tag}


def _give_volume(kube: Kube) -> None:
    claim = {
        "metadata": {"name": "data-postgres-0"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    kube.core.create_namespaced_persistent_volume_claim(kube.namespace, claim)
    pod = yaml.safe_load(PREPARE.format(image=f"{kube.registry}/jupyter:1"))
    kube.core.create_namespaced_pod(kube.namespace, pod)
    ended = eventually(lambda: end_of(kube, "prepare"), within=60, what="the volume's owner")
    assert ended == "Succeeded"
    kube.core.delete_namespaced_pod("prepare", kube.namespace, grace_period_seconds=0)


def _log(kube: Kube, pod: Any, container: str) -> str:
    try:
        return str(kube.core.read_namespaced_pod_log(
            pod.metadata.name, kube.namespace, container=container, tail_lines=40
        ))  # fmt: skip
    except client.ApiException as refused:  # its container has not started
        return str(refused.body)


_PARSER = argparse.ArgumentParser("helm", exit_on_error=False)
_PARSER.add_argument("verb")
_PARSER.add_argument("name")
_PARSER.add_argument("chart", nargs="?")
_PARSER.add_argument("--namespace")
_PARSER.add_argument("--values")
_PARSER.add_argument("--timeout", default="5m")
_PARSER.add_argument("--wait", action="store_const", const="watcher")
_PARSER.add_argument("--create-namespace", action="store_true")
_PARSER.add_argument("--logs", action="store_true")
