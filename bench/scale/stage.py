"""Start a portal whose cluster has simulated nodes, and people who may launch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.drill import inside, servers
from bench.drill.onecluster import SMALL
from bench.scale import answers, costs
from bench.scale.kubelet import Kubelet
from bench.scale.nodes import simulated
from sessions.backends.kubernetes.cluster import Cluster
from sessions.backends.kubernetes.serverpod import PORT
from tests.cluster.kube import Kube, new_namespace, settings_for
from tests.githttp import GitServer
from tests.stack import Stack, running

_KINDS = ("pod", "secret", "persistent_volume_claim")


@dataclass(frozen=True)
class Stage:
    """A portal with its meters; ``tokens`` are those of its people, by name."""

    stack: Stack
    git: GitServer
    meters: costs.Meters
    tokens: dict[str, str]


@contextmanager
def stage(notebooks: int) -> Iterator[Stage]:
    """Start everything for so many notebooks, each of another person; clean up at the end."""
    with ExitStack() as ends:
        server, database = ends.enter_context(servers.postgres(servers.LOOPBACK, costs.PRELOAD))
        _redis, cache = ends.enter_context(servers.redis())
        kube = ends.enter_context(new_namespace())
        address = kube.own_address()
        ends.enter_context(answers.answering(address, PORT))
        registry = ends.enter_context(answers.answering(address, 0))
        context = answers.kubelet_context(address)
        port = ends.enter_context(answers.answering(address, 0, context))
        ends.enter_context(simulated(kube, notebooks, port))
        ends.enter_context(Kubelet(Cluster(kube.namespace), address).running())
        git = ends.enter_context(GitServer())
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bindery-scale-")))
        environment = {
            **settings_for(kube, folder),
            **SMALL,
            "DATABASE_URL": database,
            "REDIS_URL": cache,
            "PORTAL_REGISTRY": f"{address}:{registry}/scale",
            "PORTAL_TRUSTED_GIT_HOSTS": git.host,
        }
        stack = ends.enter_context(running(3, **environment))
        ends.callback(_end, stack, kube)
        names = [f"person-{number}" for number in range(notebooks)]
        tokens: dict[str, str] = inside.run(stack, "bench.drill.accounts", *names)
        yield Stage(stack, git, costs.Meters(kube, stack, database, server), tokens)


def _end(stack: Stack, kube: Kube) -> None:
    """Remove all notebooks at once, which the portal would do one by one."""
    stack.stop()
    for kind in _KINDS:
        getattr(kube.core, f"delete_collection_namespaced_{kind}")(kube.namespace)
