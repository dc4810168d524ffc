"""Send helper pods to people's volumes, and read their results.

Level-based: callers ask again until they get an answer. The pod itself records what was asked; one
that failed stays for a while, so that it is not retried all the time. `Errands.sweep` ends those
whose caller never came back.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from sessions.backends import ProjectSize
from sessions.backends.kubernetes import namespace as claims
from sessions.backends.kubernetes.cluster import Cluster, Manifest
from sessions.backends.kubernetes.labels import HELPERS, helper_name, volume_labels, volume_name
from sessions.backends.kubernetes.namespace import Namespace
from sessions.backends.kubernetes.podstatus import created
from sessions.backends.kubernetes.site import Site

from . import pods, program, words
from .helper import FAILED

RETRY = timedelta(minutes=10)
"""How old a failed helper has to be before the next one replaces it."""
OLD = timedelta(minutes=20)
"""Longer than any helper may run: an older one waits for a node or was forgotten."""
MOST = 20
"""Helpers that may run at the same time."""
_AT_ONCE = {"gracePeriodSeconds": 0}
_NOTHING: dict[str, Any] = {"size": 0}

log = logging.getLogger(__name__)


class Errands:
    """The work that helper pods do on projects' kept folders."""

    def __init__(self, cluster: Cluster, namespace: Namespace, site: Site) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._site = site

    def drop(self, project: str, volume: str) -> bool:
        """Have the project's folder removed; return whether it is.

        Anything else that the person has put in its place is left alone.
        """
        return self._asked("drop", project, volume) is not None

    def measure(self, project: str, volume: str) -> ProjectSize | None:
        """Have the project's folder measured; None while that goes on."""
        told = self._asked("measure", project, volume)
        return None if told is None else ProjectSize(words.size(told))

    def sweep(self, now: datetime) -> None:
        """End helpers that are too old to be of use."""
        for pod in self._helpers():
            if now - created(pod) > OLD:
                self._cluster.delete("pods", pod["metadata"]["name"], **_AT_ONCE)

    def _asked(self, task: str, project: str, volume: str) -> dict[str, Any] | None:
        """Return the result of a helper that has ended; send one if there is none."""
        name = helper_name(task, project)
        pod = self._cluster.get("pods", name)
        if pod is None:
            return self._sent(task, project, volume)
        if not _has_ended(pod):
            return None
        told = words.helped(pod)
        if failed := told.get("code") == FAILED:
            if datetime.now(UTC) - created(pod) < RETRY:
                return None
            log.warning("%s failed and is tried again: %s", name, told.get("why"))
        self._cluster.delete("pods", name, **_AT_ONCE)
        return None if failed else told

    def _sent(self, task: str, project: str, volume: str) -> dict[str, Any] | None:
        if not self._has_volume(volume):
            return _NOTHING
        if self._at_work() >= MOST:
            return None
        self._cluster.create("configmaps", program.configmap())
        self._cluster.create("pods", pods.helper(task, project, volume, self._site))
        return None

    def _at_work(self) -> int:
        return sum(not _has_ended(pod) for pod in self._helpers())

    def _helpers(self) -> list[Manifest]:
        return self._namespace.own(self._cluster.list("pods", {"labelSelector": HELPERS}).items)

    def _has_volume(self, volume: str) -> bool:
        """Return whether the claim exists and is this portal's."""
        found = self._cluster.get(claims.CLAIMS, volume_name(volume))
        if found is None or self._namespace.is_foreign(found):
            return False
        return claims.is_ours(found, volume_labels(volume))


def _has_ended(pod: Manifest) -> bool:
    return pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
