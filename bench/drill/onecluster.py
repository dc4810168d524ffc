"""The drill's stage on a disposable cluster, named by KUBECONFIG: a namespace and a portal in it.

The API server and the kubelet are killed as well; `tests.cluster.parts` says what that needs.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.drill.stage import OwnStage, targets, with_servers
from bench.drill.targets import MAX_ABSENCE, Portal, Target
from sessions.backends.kubernetes import labels
from tests.cluster import parts
from tests.cluster.kube import Kube, new_namespace, settings_for
from tests.githttp import GitServer
from tests.stack import Stack, running

PARTS = ("kube-apiserver", "kubelet")
SMALL = {
    "PORTAL_CPU_REQUEST": "0.02",
    "PORTAL_CPU_LIMIT": "1",
    "PORTAL_MEMORY_REQUEST_GB": "0.1",
    "PORTAL_MEMORY_LIMIT_GB": "1",
}


class ClusterPart(Target):
    """A part of the cluster."""

    def __init__(self, stack: Stack, name: str) -> None:
        super().__init__(stack)
        self._name = name

    @property
    def ways(self) -> Mapping[str, Callable[[random.Random], None]]:
        """Return the one way to harm it: kill it, and bring it back after a while."""
        return {"killed": self._kill}

    def _kill(self, chance: random.Random) -> None:
        parts.kill(self._name)
        time.sleep(chance.uniform(0, MAX_ABSENCE))
        parts.bring_back()


class Pods(Target):
    """People's notebooks in the cluster."""

    def __init__(self, stack: Portal, kube: Kube) -> None:
        super().__init__(stack)
        self._kube = kube

    @property
    def ways(self) -> Mapping[str, Callable[[random.Random], None]]:
        """Return the ways to harm a notebook: delete its pod, or evict that from its node."""
        return {"deleted": self._delete, "evicted": self._evict}

    def _delete(self, chance: random.Random) -> None:
        if pods := self._kube.pods(labels.SERVERS):
            name = chance.choice(pods).metadata.name
            self._kube.core.delete_namespaced_pod(
                name, self._kube.namespace, grace_period_seconds=0
            )

    def _evict(self, chance: random.Random) -> None:
        if pods := self._kube.pods(labels.SERVERS):
            name = chance.choice(pods).metadata.name
            body = {"metadata": {"name": name, "namespace": self._kube.namespace}}
            self._kube.core.create_namespaced_pod_eviction(name, self._kube.namespace, body)


@contextmanager
def stage() -> Iterator[OwnStage]:
    """Start a portal with its own PostgreSQL and Redis on this machine, which are killed, too."""
    with ExitStack() as ends:
        own, environment = with_servers(ends)
        kube = ends.enter_context(new_namespace())
        git = ends.enter_context(GitServer(kube.own_address()))
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bindery-drill-")))
        environment |= settings_for(kube, folder) | {"PORTAL_TRUSTED_GIT_HOSTS": git.host}
        stack = ends.enter_context(running(3, **environment, **SMALL))
        more: dict[str, Target] = {name: ClusterPart(stack, name) for name in PARTS}
        every = {**targets(stack, own), **more}
        yield OwnStage(
            stack,
            git,
            every,
            lambda live: leftovers(kube, live),
            lambda: kube.names()["claims"],
            Pods(stack, kube),
        )


def leftovers(kube: Kube, live: Collection[int]) -> Iterator[str]:
    """Yield Pods and Secrets of no live session.

    A person's volume is theirs and stays. The Secret with a person's keys belongs to the Secrets
    that stand for the runs of their notebooks. Helpers come and go by themselves.
    """
    numbers = {str(each) for each in live}
    ours = {"label_selector": f"{labels.OURS},{labels.KIND}!=helper"}
    secrets = kube.core.list_namespaced_secret(kube.namespace, **ours).items
    runs = {each.metadata.uid for each in secrets if _session(each) in numbers}
    for secret in secrets:
        owners = {each.uid for each in secret.metadata.owner_references or ()}
        if secret.metadata.uid not in runs and not owners & runs:
            yield f"Secret {secret.metadata.name} is left over"
    for pod in kube.core.list_namespaced_pod(kube.namespace, **ours).items:
        if _session(pod) not in numbers:
            yield f"pod {pod.metadata.name} is left over"


def _session(item: Any) -> str | None:
    found: str | None = item.metadata.labels.get(labels.SESSION)
    return found
