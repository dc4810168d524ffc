"""The drill's stage whose portal runs in a disposable cluster, all of it: the chart installs it.

Pods of each part are deleted, those of PostgreSQL and Redis, too, and the packets of the leading
watch are dropped in its own network namespace. Like `onecluster`, this needs to be root on the
cluster's node.
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.drill.onecluster import Pods, leftovers
from bench.drill.stage import Stage
from bench.drill.targets import Target
from tests import processes
from tests.cluster.kube import Kube
from tests.cluster.release import PARTS, Release, documented, prepared
from tests.githttp import GitServer

STORES = ("postgres", "redis")
SILENCE = (5.0, 60.0)
"""Least and most seconds in which a leader's packets are dropped: it keeps its lead or loses it."""
LEADS = (
    "psql -U bindery -tAc 'SELECT host(client_addr) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = $$advisory$$ AND granted LIMIT 1'"
)


class Installed:
    """The release as a drill's portal."""

    def __init__(self, release: Release, data: Path) -> None:
        self.release = release
        self.url, self.port, self.patience = release.url, release.port, release.patience
        self._data = data

    @cached_property
    def environment(self) -> dict[str, str]:
        """Return a web pod's settings for a program on this machine, without the pod's paths."""
        pod = self.release.pods("web")[0].metadata.name
        printed = self.release.kube.run(pod, "cat /proc/1/environ | tr '\\0' '\\n'", "web")
        pairs = dict(line.partition("=")[::2] for line in printed.splitlines())
        ours = {
            name: value
            for name, value in pairs.items()
            if name.startswith("PORTAL_") and not value.startswith("/")
        }
        stores = {name: self._reachable(pairs[name]) for name in ("DATABASE_URL", "REDIS_URL")}
        here = {"PORTAL_DATA": str(self._data), "PORTAL_NAMESPACE": self.release.kube.namespace}
        return {**os.environ, **ours, **stores, **here}

    def is_healthy(self) -> bool:
        """Return whether each part has its pods, and all of the portal is well."""
        return all(self.is_there(part, 2) for part in PARTS) and self.release.is_healthy()

    def is_there(self, part: str, count: int) -> bool:
        """Return whether a part has this many pods, and all are ready."""
        pods = self.release.kube.pods(f"app.kubernetes.io/component={part}")
        return len(pods) == count and all(_is_ready(pod) for pod in pods)

    def _reachable(self, url: str) -> str:
        """Return the address of a store with that of its Service, which has no name here."""
        name = str(urlsplit(url).hostname)
        kube = self.release.kube
        service = kube.core.read_namespaced_service(name.partition(".")[0], kube.namespace)
        return url.replace(f"@{name}", f"@{service.spec.cluster_ip}")


class PodsOf(Target):
    """The pods of a part or a store."""

    _stack: Installed

    def __init__(self, stack: Installed, part: str) -> None:
        super().__init__(stack)
        self._part = part

    @property
    def ways(self) -> Mapping[str, Callable[[random.Random], None]]:
        """Return the ways to harm it: delete a pod, with time to end or without, or every pod."""
        return {
            "pod deleted": lambda chance: self._delete(chance, None),
            "pod deleted at once": lambda chance: self._delete(chance, 0),
            "pods all deleted at once": lambda _chance: self._delete(None, 0),
        }

    def is_back(self) -> bool:
        """Return whether there are as many ready pods as before, and the portal is healthy."""
        stores_are_there = all(self._stack.is_there(store, 1) for store in STORES)
        return stores_are_there and self._stack.is_healthy()

    def _delete(self, chance: random.Random | None, grace: int | None) -> None:
        kube = self._stack.release.kube
        pods = self._stack.release.pods(self._part)
        more = {} if grace is None else {"grace_period_seconds": grace}
        for pod in [chance.choice(pods)] if chance and pods else pods:
            kube.core.delete_namespaced_pod(pod.metadata.name, kube.namespace, **more)


class Leader(PodsOf):
    """The watch pod that leads; its packets are dropped for a while."""

    def __init__(self, stack: Installed) -> None:
        super().__init__(stack, "watch")

    @property
    def ways(self) -> Mapping[str, Callable[[random.Random], None]]:
        """Return the one way to harm it, after which its pod goes on as it is."""
        return {"packets dropped": self._silence}

    def _silence(self, chance: random.Random) -> None:
        kube = self._stack.release.kube
        address = kube.run("postgres-0", LEADS, "postgres").strip()
        pods = [pod for pod in self._stack.release.pods("watch") if pod.status.pod_ip == address]
        if not pods or not (pid := _process_of(pods[0].metadata.name)):
            return  # nobody leads at this moment
        with _dropping(pid):
            time.sleep(chance.uniform(*SILENCE))


def _is_ready(pod: Any) -> bool:
    containers = pod.status.container_statuses
    return bool(containers) and all(each.ready for each in containers)


def _process_of(pod: str) -> int | None:
    """Return the id of a process of this pod, which is on this machine."""
    name = f"HOSTNAME={pod}".encode()
    for pid in processes.everything():
        try:
            if name in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                return pid
        except OSError:
            continue
    return None


@contextmanager
def _dropping(pid: int) -> Iterator[None]:
    """Drop all packets in the network namespace of a process, but for its own loopback."""
    with open(f"/proc/{pid}/ns/net") as space:

        def change(verb: str) -> None:
            for chain, side in (("INPUT", "-i"), ("OUTPUT", "-o")):
                words = ["iptables", "-w", verb, chain, "!", side, "lo", "-j", "DROP"]
                entered = ["nsenter", f"--net=/proc/self/fd/{space.fileno()}", *words]
                subprocess.run(entered, check=True, pass_fds=[space.fileno()])

        change("-I")
        try:
            yield
        finally:
            change("-D")


@contextmanager
def stage() -> Iterator[Stage]:
    """Install the chart in a namespace of its own, as its documentation says."""
    with (
        prepared() as release,
        GitServer(release.kube.own_address()) as git,
        tempfile.TemporaryDirectory(prefix="bindery-drill-") as data,
    ):
        release.values["settings"]["PORTAL_TRUSTED_GIT_HOSTS"] = git.host
        release.helm(documented("install"))
        stack = Installed(release, Path(data))
        targets: dict[str, Target] = {part: PodsOf(stack, part) for part in (*PARTS, *STORES)}
        kube: Kube = release.kube
        yield Stage(
            stack,
            git,
            {**targets, "leader": Leader(stack)},
            lambda live: leftovers(kube, live),
            lambda: kube.names()["claims"],
            Pods(stack, kube),
        )
