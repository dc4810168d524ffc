"""Play the kubelet of all pods of a namespace: report what they do, and confirm their removal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bench.scale.pods import Manifest, course
from sessions.backends.kubernetes.cluster import Cluster, Expired
from sessions.errors import BinderyError

STEP_SECONDS = 1.0
"""How long each status lasts before the next one, and how long a start takes."""
THREADS = 96

log = logging.getLogger(__name__)


class Kubelet:
    """All simulated kubelets in one; ``cluster`` has an administrator's rights."""

    def __init__(self, cluster: Cluster, address: str) -> None:
        self._cluster = cluster
        self._address = address
        self._begun: set[str] = set()
        self._removed: set[str] = set()
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, "kubelet")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Play until the `with` block ends."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._pool.shutdown(cancel_futures=True)

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                listing = self._cluster.list("pods", {})
                for pod in listing.items:
                    self._see(pod)
                version = listing.version
                while not self._over.is_set():
                    for _what, pod in self._cluster.watch("pods", {}, version):
                        version = pod["metadata"]["resourceVersion"]
                        self._see(pod)
            except (BinderyError, Expired) as error:
                log.warning("listing pods again: %s", error)
                self._over.wait(STEP_SECONDS)

    def _see(self, pod: Manifest) -> None:
        """Begin what this pod needs, once."""
        about = pod["metadata"]
        if not pod.get("spec", {}).get("nodeName") or self._over.is_set():
            return
        work, begun = (
            (self._remove, self._removed)
            if "deletionTimestamp" in about
            else (self._run, self._begun)
        )
        if about["uid"] not in begun:
            begun.add(about["uid"])
            self._pool.submit(self._safely, work, pod)

    def _safely(self, work: object, pod: Manifest) -> None:
        try:
            work(pod)  # type: ignore[operator]
        except BinderyError as error:
            log.warning("pod %s: %s", pod["metadata"]["name"], error)

    def _run(self, pod: Manifest) -> None:
        about, place = pod["metadata"], {"hostIP": self._address, "podIP": self._address}
        for status in course(pod):
            if self._over.wait(STEP_SECONDS) or about["uid"] in self._removed:
                return
            change = {"metadata": {"uid": about["uid"]}, "status": {**status, **place}}
            self._cluster.patch("pods", f"{about['name']}/status", change)

    def _remove(self, pod: Manifest) -> None:
        precondition = {"preconditions": {"uid": pod["metadata"]["uid"]}}
        self._cluster.delete("pods", pod["metadata"]["name"], gracePeriodSeconds=0, **precondition)
