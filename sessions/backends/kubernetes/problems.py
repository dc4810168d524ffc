"""Explain why a notebook's pod does not run, as a stable code and a sentence for its person.

Pure functions of what the cluster says: why no node takes a pod, why an image cannot be pulled, how
a container ended.
"""

from __future__ import annotations

import json
import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions.backends.messages import NO_GPU, NO_ROOM

from . import entrypoint
from .homes import helper_pods
from .homes.pods import CONTAINER as FILES
from .podstatus import container_statuses
from .serverpod import CONTAINER
from .site import Site

Pod = dict[str, Any]
Reason = tuple[str, str]

_PERMANENT_PULL_ERROR = re.compile(
    r"not found|manifest unknown|name unknown|unauthorized|denied|forbidden|"
    r"invalid reference|authentication required|no match for platform",
    re.IGNORECASE,
)
_RESOURCE_NAMES = {
    "cpu": gettext_lazy("processors"),
    "memory": gettext_lazy("memory"),
    "ephemeral-storage": gettext_lazy("disk"),
    "pods": gettext_lazy("pod slots"),
}
_NO_REASON = ("", "")
NO_JUPYTERLAB = "spawn.no-jupyterlab"
"""Reported by the notebook's container, or by the init container if there is no Python either."""


def why_unscheduled(reason: str, queue_position: int, site: Site) -> Reason:
    """Explain why the scheduler has found no node.

    ``reason`` is the scheduler's message, ``queue_position`` the place in the queue for GPUs.
    """
    if not reason:
        return _NO_REASON
    if f"Insufficient {site.gpu}" in reason:
        message = _(
            "No GPU is free right now. Your notebook is number %(place)d in the queue and starts "
            "by itself."
        )
        return NO_GPU, message % {"place": queue_position}
    if "unbound immediate PersistentVolumeClaims" in reason:
        return "spawn.volume", _(
            "Your folder is being created; the notebook starts when it is ready."
        )
    names = re.findall(r"Insufficient ([\w./-]*\w)", reason)
    if short := [str(_RESOURCE_NAMES.get(each, each)) for each in names]:
        message = _(
            "The cluster has no room for this notebook right now: not enough %(what)s. It starts "
            "by itself when there is; or cancel it and ask for less."
        )
        return NO_ROOM, message % {"what": ", ".join(dict.fromkeys(short))}
    message = _("No machine in the cluster can take this notebook right now: %(why)s")
    return NO_ROOM, message % {"why": reason[:300]}


def why_not_running(pod: Pod, warning: str) -> Reason:
    """Explain what a scheduled pod waits for; ``warning`` is the cluster's latest."""
    for _name, status in container_statuses(pod):
        waiting = status.get("state", {}).get("waiting", {})
        if waiting.get("reason") in {"ErrImagePull", "ImagePullBackOff"}:
            message = _("The image cannot be pulled right now; trying again. %(why)s")
            return "spawn.image-pull", message % {"why": _short_message(waiting)}
        if status.get("state", {}).get("running"):
            return _NO_REASON
    if "FailedMount" in warning or "FailedAttachVolume" in warning:
        message = _("Your files cannot be reached right now; trying again. %(why)s")
        return "spawn.volume", message % {"why": warning[:300]}
    return _NO_REASON


def is_pull_refused(waiting: Pod) -> bool:
    """Return whether pulling the image again would end the same way."""
    pulling = waiting.get("reason") in {"ErrImagePull", "ImagePullBackOff"}
    return pulling and bool(_PERMANENT_PULL_ERROR.search(waiting.get("message", "")))


def permanent_problem(pod: Pod) -> Reason | None:
    """Return a problem that waiting cannot fix, or None."""
    for _name, status in container_statuses(pod):
        waiting = status.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        if reason == "InvalidImageName" or is_pull_refused(waiting):
            message = _("The image cannot be pulled. Rebuild it, or ask the staff. %(why)s")
            return "spawn.image-pull", message % {"why": _short_message(waiting)}
        if reason in {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}:
            if known := entrypoint.start_refusal(waiting.get("message", "")):
                return known
            message = _("The container cannot be started. Rebuild it, or ask the staff. %(why)s")
            return "spawn.crashed", message % {"why": _short_message(waiting)}
    return None


def why_ended(pod: Pod) -> Reason:
    """Explain how a pod ended; empty if JupyterLab exited normally."""
    status = pod.get("status", {})
    if status.get("reason") == "Evicted":
        message = _(
            "The notebook was stopped because it or its machine ran out of room: %(why)s The "
            "files in your own folder are kept. Start it again."
        )
        return "spawn.evicted", message % {"why": status.get("message", "")[:300]}
    if status.get("reason") == "NodeLost":
        return node_lost()
    for name, each in container_statuses(pod):
        ended = each.get("state", {}).get("terminated")
        if ended and name in {FILES, CONTAINER} and (known := entrypoint.problem(ended)):
            return known
        if ended and name == FILES and ended.get("exitCode"):
            is_without = _reported_code(ended) == NO_JUPYTERLAB
            return _exit_reason(ended) if is_without else helper_pods.prepare_problem(ended)
        if ended and (
            name == CONTAINER or ended.get("exitCode")
        ):  # or one of the operator's containers
            return _exit_reason(ended)
    return pod_deleted()


def node_lost() -> Reason:
    """Return code and sentence for a notebook whose node is gone."""
    message = _(
        "The machine that ran the notebook is gone. Your own folder is kept. Start the notebook "
        "again."
    )
    return "spawn.node-lost", message


def node_unreachable() -> str:
    """Return the message for a notebook that was to stop on a node that does not answer."""
    return _(
        "The machine that ran the notebook does not answer, so the portal gave the notebook up. "
        "If the machine comes back, the notebook stops there. Anything it had not written to your "
        "own folder is lost."
    )


def pod_deleted() -> Reason:
    """Return code and sentence for a notebook whose pod somebody else has deleted."""
    message = _(
        "Someone other than the portal removed the notebook from the cluster. Your own folder is "
        "kept. Start the notebook again."
    )
    return "spawn.deleted", message


def _exit_reason(ended: Pod) -> Reason:
    code = "spawn.out-of-memory" if ended.get("reason") == "OOMKilled" else _reported_code(ended)
    if code == "spawn.out-of-memory":
        message = _(
            "The notebook ran out of memory and was stopped. Your own folder is kept. Start it "
            "again, and work on less at a time or ask for more memory."
        )
        return code, message
    if code == NO_JUPYTERLAB:
        message = _(
            "The repository's image has no JupyterLab. Add it to the Dockerfile (pip install "
            "jupyterlab) and rebuild."
        )
        return code, message
    if ended.get("exitCode") == 0:
        return _NO_REASON
    message = _("JupyterLab exited by itself (status %(status)d). Its last lines:\n%(lines)s")
    lines = "\n".join(ended.get("message", "").replace("\0", "").strip("\n").split("\n")[-10:])
    return "spawn.crashed", message % {"status": ended.get("exitCode", -1), "lines": lines}


def _reported_code(ended: Pod) -> str:
    """Return the code that our own start script has left."""
    try:
        return str(json.loads(ended.get("message", ""))["code"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _short_message(waiting: Pod) -> str:
    return str(waiting.get("message", ""))[:300]
