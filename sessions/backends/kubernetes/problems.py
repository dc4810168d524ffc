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

from .homes import errands
from .homes.pods import CONTAINER as FILES
from .podstatus import containers
from .serverpod import CONTAINER
from .site import Site

Pod = dict[str, Any]
Problem = tuple[str, str]

_REFUSED = re.compile(
    r"not found|manifest unknown|name unknown|unauthorized|denied|forbidden|"
    r"invalid reference|authentication required|no match for platform",
    re.IGNORECASE,
)
_SHORT = {
    "cpu": gettext_lazy("processors"),
    "memory": gettext_lazy("memory"),
    "ephemeral-storage": gettext_lazy("disk"),
    "pods": gettext_lazy("places for pods"),
}
_NOTHING = ("", "")
NO_JUPYTERLAB = "spawn.no-jupyterlab"
"""Reported by the notebook's container, or by the one before it if there is no Python either."""


def why_unplaced(reason: str, place: int, site: Site) -> Problem:
    """Explain why the scheduler has found no node.

    ``reason`` is the scheduler's message, ``place`` the position in the queue for GPUs.
    """
    if not reason:
        return _NOTHING
    if f"Insufficient {site.gpu}" in reason:
        message = _(
            "No GPU is free at present. Your notebook is number %(place)d in the queue and "
            "starts by itself."
        )
        return NO_GPU, message % {"place": place}
    if "unbound immediate PersistentVolumeClaims" in reason:
        return "spawn.volume", _("Your folder is being made; the notebook starts when it is there.")
    names = re.findall(r"Insufficient ([\w./-]*\w)", reason)
    if short := [str(_SHORT.get(each, each)) for each in names]:
        message = _(
            "The cluster has no room for it at present: too little is free of %(what)s. It "
            "starts by itself when there is; or cancel it and ask for less."
        )
        return NO_ROOM, message % {"what": ", ".join(dict.fromkeys(short))}
    message = _("No machine of the cluster takes it at present: %(why)s")
    return NO_ROOM, message % {"why": reason[:300]}


def why_not_running(pod: Pod, warning: str) -> Problem:
    """Explain what a scheduled pod waits for; ``warning`` is the cluster's latest."""
    for _name, status in containers(pod):
        waiting = status.get("state", {}).get("waiting", {})
        if waiting.get("reason") in {"ErrImagePull", "ImagePullBackOff"}:
            message = _("Its image cannot be pulled at present; it is tried again. %(why)s")
            return "spawn.image-pull", message % {"why": _brief(waiting)}
        if status.get("state", {}).get("running"):
            return _NOTHING
    if "FailedMount" in warning or "FailedAttachVolume" in warning:
        message = _("Your files cannot be reached at present; it is tried again. %(why)s")
        return "spawn.volume", message % {"why": warning[:300]}
    return _NOTHING


def is_pull_refused(waiting: Pod) -> bool:
    """Return whether pulling the image again would end the same way."""
    pulling = waiting.get("reason") in {"ErrImagePull", "ImagePullBackOff"}
    return pulling and bool(_REFUSED.search(waiting.get("message", "")))


def hopeless(pod: Pod) -> Problem | None:
    """Return a problem that waiting cannot fix, or None."""
    for _name, status in containers(pod):
        waiting = status.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        if reason == "InvalidImageName" or is_pull_refused(waiting):
            message = _("Its image cannot be pulled: rebuild it, or ask the staff. %(why)s")
            return "spawn.image-pull", message % {"why": _brief(waiting)}
        if reason in {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}:
            message = _("Its container cannot be started. Rebuild it, or ask the staff. %(why)s")
            return "spawn.crashed", message % {"why": _brief(waiting)}
    return None


def why_ended(pod: Pod) -> Problem:
    """Explain how a pod ended; empty if JupyterLab exited normally."""
    status = pod.get("status", {})
    if status.get("reason") == "Evicted":
        message = _(
            "The notebook was ended because it or its machine ran out of room: %(why)s What is "
            "in your own folder is kept: start it again."
        )
        return "spawn.evicted", message % {"why": status.get("message", "")[:300]}
    if status.get("reason") == "NodeLost":
        return node_lost()
    for name, each in containers(pod):
        ended = each.get("state", {}).get("terminated")
        if ended and name == FILES and ended.get("exitCode"):
            is_without = _said(ended) == NO_JUPYTERLAB
            return _last_words(ended) if is_without else errands.problem(ended)
        if ended and (name == CONTAINER or ended.get("exitCode")):  # or one of the operator's
            return _last_words(ended)
    return deleted()


def node_lost() -> Problem:
    """Return code and sentence for a notebook whose node is gone."""
    message = _(
        "The machine that ran the notebook is gone. Your own folder is kept: start it again."
    )
    return "spawn.node-lost", message


def given_up() -> str:
    """Return the message for a notebook that was to stop on a node that does not answer."""
    return _(
        "The machine that ran the notebook does not answer, so it was given up. If that machine "
        "comes back, it ends there; what it had not written to your own folder is lost."
    )


def deleted() -> Problem:
    """Return code and sentence for a notebook whose pod somebody else has deleted."""
    message = _(
        "The notebook was removed from the cluster by somebody else than the portal. Your own "
        "folder is kept: start it again."
    )
    return "spawn.deleted", message


def _last_words(ended: Pod) -> Problem:
    code = "spawn.out-of-memory" if ended.get("reason") == "OOMKilled" else _said(ended)
    if code == "spawn.out-of-memory":
        message = _(
            "The notebook used more than its memory and was ended. Your own folder is kept: start "
            "it again, and work on less at a time or ask for more."
        )
        return code, message
    if code == NO_JUPYTERLAB:
        message = _(
            "The repository's image has no JupyterLab. Add it to the Dockerfile (pip install "
            "jupyterlab) and rebuild."
        )
        return code, message
    if ended.get("exitCode") == 0:
        return _NOTHING
    message = _("JupyterLab ended by itself (status %(status)d). Its last lines:\n%(lines)s")
    lines = "\n".join(ended.get("message", "").replace("\0", "").splitlines()[-10:])
    return "spawn.crashed", message % {"status": ended.get("exitCode", -1), "lines": lines}


def _said(ended: Pod) -> str:
    """Return the code that our own start script has left."""
    try:
        return str(json.loads(ended.get("message", ""))["code"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _brief(waiting: Pod) -> str:
    return str(waiting.get("message", ""))[:300]
