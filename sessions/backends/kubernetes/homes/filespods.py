"""Start, find and end the pods that serve people's files to the portal (`serve`).

`PeoplesVolumes` is the part of the back end that works in volumes while no notebook does: with
these pods, and with those of `helper_pods`.

A person has at most one, for all of their projects. Whoever asks first creates it, and asks again
until it answers. It ends itself when nobody has asked for a few minutes, and is ended before a
notebook of the person starts, which may need the volume on another node. `FilesPods.sweep` removes
what is left.

Nothing is stored: the token follows from the portal's secret key and a random annotation of the
pod, which knows only the token's hash. So whoever may read pods does not learn it, and a changed
secret key makes a new pod.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
from datetime import UTC, datetime, timedelta

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from sessions.backends import PersonFiles, ProjectSize
from sessions.backends.kubernetes import namespace as claims
from sessions.backends.kubernetes.cluster import Cluster, Manifest
from sessions.backends.kubernetes.labels import (
    FILES,
    FILES_HELPERS,
    NONCE,
    helper_name,
    volume_labels,
    volume_name,
)
from sessions.backends.kubernetes.namespace import Namespace, adopt_claim
from sessions.backends.kubernetes.podstatus import (
    annotation,
    container_statuses,
    created_at,
    is_running,
    is_terminating,
    unscheduled_reason,
)
from sessions.backends.kubernetes.site import Site
from sessions.backends.messages import printable
from sessions.backends.personfiles import FilesHere
from sessions.errors import BackendRefuses, InternalError, NotAllowed, NotYet, TemporaryError
from sessions.repofiles.browse import Browser

from . import pods, program
from .helper_pods import HelperPods, has_ended
from .remote import TURNS, RemoteFiles, busy, starting, unreachable

log = logging.getLogger(__name__)

MAX_PODS = 40
"""Pods of people who look at their files at the same time."""
SLOW_START = timedelta(seconds=30)
RETRY_AFTER = timedelta(minutes=1)
"""The age at which a failed pod is replaced."""
MAX_PENDING = timedelta(minutes=10)
"""How long a pod may wait for a node, an image or a volume."""
_AT_ONCE = {"gracePeriodSeconds": 0}


class FilesPods:
    """People's files, in pods of their own."""

    def __init__(self, cluster: Cluster, namespace: Namespace, site: Site) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._site = site

    def open(self, project: str, volume: str) -> PersonFiles:
        """Return the files of the person with this volume, and of their project.

        Raises `NotYet` until the pod answers, and what `Cluster` raises.
        """
        name = helper_name(FILES, volume)
        pod = self._cluster.get("pods", name)
        if pod is None:
            return self._start(volume)
        if self._namespace.is_foreign(pod):
            message = _("Another portal in this namespace has this person's files open.")
            raise TemporaryError("kubernetes.foreign", message)
        if has_ended(pod):
            return self._replace(pod, volume)
        if not is_running(pod):
            raise starting(_slow_reason(pod))
        address = pod["status"]["podIP"]
        return RemoteFiles(address, token(pod), project, volume, lambda: self._delete(name))

    def end(self, volume: str) -> None:
        """End the person's pod, if there is one."""
        name = helper_name(FILES, volume)
        pod = self._cluster.get("pods", name)
        if pod and not self._namespace.is_foreign(pod):
            self._delete(name)

    def sweep(self, now: datetime) -> None:
        """Remove pods that have ended, hang or have outlived their time limit."""
        for pod in self._pods():
            if _is_left_over(pod, now - created_at(pod)):
                self._delete(pod["metadata"]["name"])

    def _replace(self, pod: Manifest, volume: str) -> PersonFiles:
        if pod["status"]["phase"] == "Failed":
            age = datetime.now(UTC) - created_at(pod)
            if age < RETRY_AFTER:
                raise _failed(pod, RETRY_AFTER - age)
        self._delete(pod["metadata"]["name"])
        return self._start(volume)

    def _start(self, volume: str) -> PersonFiles:
        claim = self._cluster.get(claims.CLAIMS, volume_name(volume))
        if claim is None:  # there has never been a notebook
            return FilesHere(Browser({}, _refuse))
        is_ours = claims.is_our_claim(claim, volume_labels(volume))
        if not is_ours or self._namespace.is_foreign(claim):
            message = _(
                "The cluster has a volume claim “%(name)s” that this portal did not create, so its "
                "files may not be yours. Tell the staff: “manage.py adopt_volume” makes it yours."
            )
            raise NotAllowed("files.volume-unknown", message % {"name": volume_name(volume)})
        if sum(not has_ended(pod) for pod in self._pods()) >= MAX_PODS:
            raise busy()
        nonce = secrets.token_hex(16)
        manifest = pods.files_pod(volume, nonce, "", self._site)
        digest = hashlib.sha256(token(manifest).encode()).hexdigest()
        self._cluster.create("configmaps", program.configmap())
        self._cluster.create("pods", pods.files_pod(volume, nonce, digest, self._site))
        raise starting()

    def _pods(self) -> list[Manifest]:
        return self._namespace.exclude_foreign(
            self._cluster.list("pods", {"labelSelector": FILES_HELPERS}).items
        )

    def _delete(self, name: str) -> None:
        self._cluster.delete("pods", name, **_AT_ONCE)


def token(pod: Manifest) -> str:
    """Return the token (64 hex digits) that a request to this pod carries to read its files."""
    about = f"{pod['metadata']['name']}/{annotation(pod, NONCE)}"
    return salted_hmac("bindery.files", about, algorithm="sha256").hexdigest()


def _is_left_over(pod: Manifest, age: timedelta) -> bool:
    if has_ended(pod):
        return age > RETRY_AFTER
    limit = timedelta(seconds=pods.FILES_SECONDS) if is_running(pod) else timedelta()
    return age > limit + MAX_PENDING


def _slow_reason(pod: Manifest) -> str:
    """Return what the pod has waited for, "" if not for long."""
    if is_terminating(pod) or datetime.now(UTC) - created_at(pod) < SLOW_START:
        return ""
    for _name, status in container_statuses(pod):
        waiting = status.get("state", {}).get("waiting", {})
        if waiting:
            return f"{waiting.get('reason', '')} {waiting.get('message', '')}".strip()
    return unscheduled_reason(pod) or _("the pod has not started")


def _failed(pod: Manifest, left: timedelta) -> NotYet:
    """Return the error of a pod that ended before its time, and is to be replaced."""
    why = str(pod["status"].get("message", ""))
    for _name, status in container_statuses(pod):
        ended = status.get("state", {}).get("terminated", {})
        why = why or f"{ended.get('reason', '')} {ended.get('message', '')}".strip()
    message = _(
        "What shows your files has failed, and is started again in a minute. Your files are "
        "unchanged. If it stays so, tell the staff: %(why)s"
    )
    why = printable(why)[-300:]
    return NotYet("files.failed", message % {"why": why}, int(left.total_seconds()) + 1)


def _refuse(_folder: int, name: str) -> None:
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


class PeoplesVolumes:
    """Helper pods for projects' folders and people's files."""

    _cluster: Cluster
    _namespace: Namespace
    site: Site

    def open_files(self, name: str, volume: str) -> PersonFiles:
        """Return the files that a pod serves. Raises `NotYet` while it starts."""
        try:
            with TURNS.take(volume):
                return self._files_pods.open(name, volume)
        except (InternalError, BackendRefuses) as error:
            log.exception("a pod for files could not be made")
            raise unreachable(error) from error

    def adopt_volume(self, volume: str, owner_id: int) -> bool:
        """Label the claim as the person's; return False without one, or if it already is."""
        return adopt_claim(self._cluster, volume)

    def measure_project(self, name: str, volume: str) -> ProjectSize | None:
        """Return what a pod of its own has measured; None while it runs."""
        return self._helper_pods.measure(name, volume)

    def _sweep_helpers(self, now: datetime) -> None:
        self._helper_pods.sweep(now)
        self._files_pods.sweep(now)

    @property
    def _helper_pods(self) -> HelperPods:
        return HelperPods(self._cluster, self._namespace, self.site)

    @property
    def _files_pods(self) -> FilesPods:
        """Pages wait for these calls, so they have to be answered soon."""
        return FilesPods(self._cluster.hasty, self._namespace, self.site)
