"""Send helper pods to people's volumes, and read what containers report about kept folders.

Whatever runs in an image may leave any termination message, so it is untrusted: it is bounded, and
only known codes count. `prepare` and `helper` write these messages.

Helpers are level-based: callers ask again until they get an answer. The pod itself records what was
asked; one that failed stays for a while, so that it is not retried all the time. `HelperPods.sweep`
ends those whose caller never came back.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

from sessions.backends import FilesReport, ProjectSize
from sessions.backends.kubernetes import namespace as claims
from sessions.backends.kubernetes.cluster import Cluster, Manifest
from sessions.backends.kubernetes.labels import (
    FILES,
    HELPERS,
    TASK,
    helper_name,
    volume_labels,
    volume_name,
)
from sessions.backends.kubernetes.namespace import Namespace
from sessions.backends.kubernetes.podstatus import container_statuses, created_at, label, parse_time
from sessions.backends.kubernetes.site import Site
from sessions.backends.messages import files_report, printable, volume_sentence

from . import pods, prepare, program
from .helper import FAILED as HELPER_FAILED
from .pods import CONTAINER, CONTENT_CONTAINER

Pod = dict[str, Any]
NO_PYTHON = "spawn.no-python"
FILLING = "spawn.files"
SLOW_PREPARE = timedelta(seconds=3)
RETRY_AFTER = timedelta(minutes=10)
"""The age at which a failed helper may be replaced."""
MAX_AGE = timedelta(minutes=20)
"""Longer than any helper may run: an older one is waiting for a node or was forgotten."""
MAX_RUNNING = 20
"""Helpers that may run at the same time."""
_MAX_TEXT_LENGTH = 300
_AT_ONCE = {"gracePeriodSeconds": 0}
_EMPTY_RESULT: dict[str, Any] = {"size": 0}

log = logging.getLogger(__name__)


def prepare_problem(ended: Pod) -> tuple[str, str]:
    """Return code and sentence for why the folder could not be prepared.

    ``ended`` is the terminated state of its container.
    """
    said = _parse_message(ended)
    code = str(said.get("code", ""))
    why = printable(str(said.get("why") or ended.get("message", "")))[-_MAX_TEXT_LENGTH:]
    if ended.get("reason") == "OOMKilled":
        why = _("it used more memory than the notebook has")
    sentences = {
        prepare.BLOCKED: _blocked_message(said),
        prepare.FULL: _with_room(_full_message(), said),
        prepare.READ_ONLY: _read_only_message(why),
        NO_PYTHON: _no_python_message(),
        prepare.CONTENT: content_message(why),
    }
    if code in sentences:
        return code, sentences[code]
    message = _(
        "The project's files could not be copied to your folder, so the notebook was not started. "
        "Your folder is unchanged. Try again, or tell the staff: %(why)s"
    )
    return prepare.FAILED, message % {"why": why}


def content_message(why: str) -> str:
    """Return the sentence for content without which the notebook cannot start."""
    message = _("The content could not be fetched, so the notebook was not started: %(why)s")
    return message % {"why": why}


def content_problem(ended: Pod) -> tuple[str, str]:
    """Return code and sentence for why the container that fetches the content has failed."""
    said = _parse_message(ended)
    why = printable(str(said.get("message") or ended.get("message", "")))[-_MAX_TEXT_LENGTH:]
    if ended.get("reason") == "OOMKilled":
        why = _("it used more memory than the notebook has")
    return prepare.CONTENT, content_message(why)


def filling_status(pod: Pod, now: datetime) -> tuple[str, str] | None:
    """Return code and sentence while preparing the folder takes long, else None."""
    for name, status in container_statuses(pod):
        begun = status.get("state", {}).get("running", {}).get("startedAt", "")
        is_slow = begun and now - parse_time(begun) > SLOW_PREPARE
        if name == CONTENT_CONTAINER and is_slow:
            return FILLING, _("Fetching the content.")
        if name == CONTAINER and is_slow:
            return FILLING, _("Copying the project's files to your folder.")
    return None


def files_report_of(pod: Pod) -> FilesReport | None:
    """Return what became of the project's files at this start; None if nothing is known."""
    for name, status in container_statuses(pod):
        ended = status.get("state", {}).get("terminated")
        if name == CONTAINER and ended:
            return _report(str(ended.get("message", "")))
    return None


def start_script(pod: Pod) -> str:
    """Return the path of the start script that the image's entry point runs; "" if unknown."""
    for name, status in container_statuses(pod):
        if name == CONTAINER and (ended := status.get("state", {}).get("terminated")):
            return str(_parse_message(ended).get("start", ""))
    return ""


def helper_result(pod: Pod) -> dict[str, Any]:
    """Return a helper's result: ``size`` (None if it is not known) or ``code``."""
    why = str(pod.get("status", {}).get("message", ""))
    for _name, status in container_statuses(pod):
        ended = status.get("state", {}).get("terminated", {})
        said = _parse_message(ended)
        if "code" in said or "size" in said:
            return said
        why = why or str(ended.get("message", ""))
    return {"code": HELPER_FAILED, "why": printable(why)[:_MAX_TEXT_LENGTH]}


@lru_cache(maxsize=4096)
def _report(message: str) -> FilesReport:
    """Parse a message; cached, because watch looks at all notebooks each second."""
    said = _parse_message({"message": message})
    merge = said.get("merge")
    merged = merge if isinstance(merge, dict) else {}
    report = files_report({**merged, "content": said.get("content")}, reported_size(said))
    if said.get("left"):
        message = f"{_not_merged_message(said)} {report.message}".strip()
        report = replace(report, message=message, is_repeated=False)
    return replace(report, message=_with_room(report.message, said))


def _with_room(message: str, said: dict[str, Any]) -> str:
    """Return the message, and what takes the room in the volume if it is full or nearly full."""
    return f"{message} {volume_sentence(said.get('room'))}".strip()


def _not_merged_message(said: dict[str, Any]) -> str:
    """Explain why the repository's changes are missing although the notebook runs."""
    if said["left"] == prepare.FULL:
        return _(
            "Your volume is full, so changes from the repository were not merged; your files are "
            "unchanged. Free some space, then stop the notebook and start it again."
        )
    message = _(
        "Changes from the repository were not merged; your files are unchanged: %(why)s The next "
        "start tries again."
    )
    return message % {"why": printable(str(said.get("why", "")))[:_MAX_TEXT_LENGTH]}


def reported_size(message: dict[str, Any]) -> int | None:
    """Return the bytes that a message names, or None."""
    found = message.get("size")
    return found if type(found) is int and 0 <= found < 2**63 else None


def _parse_message(ended: Pod) -> dict[str, Any]:
    try:
        said = json.loads(ended.get("message", ""))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _blocked_message(said: dict[str, Any]) -> str:
    message = _(
        "“%(path)s” in your own folder is a link or a file. The portal keeps your projects' files "
        "in a folder of that name and does not follow links, so the notebook was not started. "
        "Rename it from another of your notebooks, or ask the staff to; then start this one "
        "again."
    )
    return message % {"path": printable(str(said.get("path", "")))[:_MAX_TEXT_LENGTH]}


def _full_message() -> str:
    return _(
        "Your volume is full: the project's files do not fit, so the notebook was not started. "
        "None of your files is lost. Delete files you no longer need from another of your "
        "notebooks, or ask the staff for a larger volume; then start this one again."
    )


def _read_only_message(why: str) -> str:
    message = _(
        "Your volume is read-only, so the notebook was not started. Tell the staff, who have to "
        "check its storage: %(why)s"
    )
    return message % {"why": why}


def _no_python_message() -> str:
    return _(
        "The repository's image has no Python 3.8 or newer, which is needed to copy its files to "
        "your folder. Put the Python that runs JupyterLab on PATH in the Dockerfile, and rebuild."
    )


class HelperPods:
    """The work that helper pods do on projects' kept folders."""

    def __init__(self, cluster: Cluster, namespace: Namespace, site: Site) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._site = site

    def drop(self, project: str, volume: str) -> bool:
        """Have the project's folder removed; return whether it is gone.

        Anything else that the person has put in its place is left alone.
        """
        return self._result("drop", project, volume) is not None

    def measure(self, project: str, volume: str) -> ProjectSize | None:
        """Have the project's folder measured; return its size, or None while that goes on."""
        result = self._result("measure", project, volume)
        return None if result is None else ProjectSize(reported_size(result))

    def sweep(self, now: datetime) -> None:
        """Delete helpers older than `MAX_AGE`. Raises `TemporaryError` without a cluster."""
        for pod in self._helpers():
            if now - created_at(pod) > MAX_AGE:
                self._cluster.delete("pods", pod["metadata"]["name"], **_AT_ONCE)

    def _result(self, task: str, project: str, volume: str) -> dict[str, Any] | None:
        """Return the result of a helper that has ended; send one if there is none."""
        name = helper_name(task, project)
        pod = self._cluster.get("pods", name)
        if pod is None:
            return self._start_helper(task, project, volume)
        if not has_ended(pod):
            return None
        result = helper_result(pod)
        if failed := result.get("code") == HELPER_FAILED:
            if datetime.now(UTC) - created_at(pod) < RETRY_AFTER:
                return None
            log.warning("%s failed; it will be retried: %s", name, result.get("why"))
        self._cluster.delete("pods", name, **_AT_ONCE)
        return None if failed else result

    def _start_helper(self, task: str, project: str, volume: str) -> dict[str, Any] | None:
        if not self._has_volume(volume):
            return _EMPTY_RESULT
        if self._count_running() >= MAX_RUNNING:
            return None
        self._cluster.create("configmaps", program.configmap())
        self._cluster.create("pods", pods.helper_pod(task, project, volume, self._site))
        return None

    def _count_running(self) -> int:
        return sum(not has_ended(pod) for pod in self._helpers())

    def _helpers(self) -> list[Manifest]:
        found = self._cluster.list("pods", {"labelSelector": HELPERS}).items
        mine = [pod for pod in found if label(pod, TASK) != FILES]  # these have limits of their own
        return self._namespace.exclude_foreign(mine)

    def _has_volume(self, volume: str) -> bool:
        """Return whether the claim exists and is this portal's."""
        found = self._cluster.get(claims.CLAIMS, volume_name(volume))
        if found is None or self._namespace.is_foreign(found):
            return False
        return claims.is_our_claim(found, volume_labels(volume))


def has_ended(pod: Manifest) -> bool:
    """Return whether its program has ended."""
    return pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
