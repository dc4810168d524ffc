"""Explain why a pod does not run, as a stable code and a sentence for its person.

Pure functions of what the cluster says: why no node takes a pod, why an image cannot be pulled, how
a container ended.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions import jupyter
from sessions.backends import endings
from sessions.backends.endings import Cause, ServerEnd
from sessions.backends.messages import NO_GPU, NO_ROOM

from . import entrypoint, refusals, serverpod
from .homes import helper_pods
from .homes.pods import CONTAINER as FILES
from .homes.pods import CONTENT_CONTAINER
from .podstatus import condition, container_statuses, is_terminating, lacks, parse_time
from .serverpod import CONTAINER

Pod = dict[str, Any]
Reason = tuple[str, str]

_PERMANENT_PULL_ERROR = re.compile(
    r"not found|manifest unknown|name unknown|unauthorized|denied|forbidden|"
    r"invalid reference|authentication required|no match for platform",
    re.IGNORECASE,
)
_PULLING = frozenset({
    "ErrImageNeverPull", "ErrImagePull", "ImageInspectError", "ImagePullBackOff",
    "RegistryUnavailable", "SignatureValidationFailed",
})  # fmt: skip
_NOT_CREATED = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
_PASSING_ERROR = re.compile(
    r"context deadline exceeded|timed out waiting for the condition|is reserved for"
    r"|failed to sync \S+ cache",
    re.IGNORECASE,
)
"""Messages of a busy machine, on which the kubelet tries again."""
_RESOURCE_NAMES = {
    "cpu": gettext_lazy("processors"),
    "memory": gettext_lazy("memory"),
    "ephemeral-storage": gettext_lazy("disk"),
    "pods": gettext_lazy("pod slots"),
}
_NO_REASON = ("", "")
NO_JUPYTERLAB = "spawn.no-jupyterlab"
"""Reported by the notebook's container, or by the init container if there is no Python either."""


def why_unscheduled(reason: str, queue_position: int, gpu: str, warning: str = "") -> Reason:
    """Explain why the scheduler has found no node.

    ``reason`` is the scheduler's message, ``queue_position`` the place in the queue for GPUs,
    ``gpu`` the name of the pod's GPUs, ``warning`` the cluster's latest about the pod's claim.
    """
    if not reason:
        return _NO_REASON
    is_unbound = "unbound immediate PersistentVolumeClaims" in reason
    if known := refusals.explain_warning(f"{reason} {warning}" if is_unbound else reason):
        return known
    if lacks(reason, gpu):
        message = _(
            "No GPU is free right now. Your notebook is number %(place)d in the queue and starts "
            "by itself."
        )
        return NO_GPU, message % {"place": queue_position}
    if is_unbound:
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
        if is_pulling(waiting):
            message = _("The image cannot be pulled right now; trying again. %(why)s")
            return "spawn.image-pull", message % {"why": short_message(waiting)}
        if waiting.get("reason") in _NOT_CREATED:
            message = _("The container cannot be started right now; trying again. %(why)s")
            return "spawn.container", message % {"why": short_message(waiting)}
        if status.get("state", {}).get("running"):
            return _NO_REASON
    return refusals.explain_warning(warning) or _NO_REASON


def is_pulling(waiting: Pod) -> bool:
    """Return whether the container waits for an image that could not be pulled so far."""
    return waiting.get("reason") in _PULLING


def is_pull_refused(waiting: Pod) -> bool:
    """Return whether pulling the image again would end the same way."""
    return is_pulling(waiting) and bool(_PERMANENT_PULL_ERROR.search(waiting.get("message", "")))


def permanent_problem(pod: Pod) -> Reason | None:
    """Return a problem that waiting cannot fix, or None."""
    for _name, status in container_statuses(pod):
        waiting = status.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        if reason == "InvalidImageName" or is_pull_refused(waiting):
            message = _("The image cannot be pulled. Rebuild it, or ask the staff. %(why)s")
            return "spawn.image-pull", message % {"why": short_message(waiting)}
        if reason in _NOT_CREATED and not _PASSING_ERROR.search(waiting.get("message", "")):
            if known := entrypoint.start_refusal(waiting.get("message", "")):
                return known
            message = _("The container cannot be started. Rebuild it, or ask the staff. %(why)s")
            code = endings.NOT_RUN if reason == "RunContainerError" else "spawn.container"
            return code, message % {"why": short_message(waiting)}
    return None


_DISRUPTIONS = {
    "PreemptionByScheduler": Cause.PREEMPTED,
    "EvictionByEvictionAPI": Cause.DRAINED,
    "DeletionByTaintManager": Cause.DRAINED,
    "DeletionByPodGC": Cause.NODE_LOST,
    "TerminationByKubelet": Cause.EVICTED,
}
"""https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions"""
_POD_REASONS = {
    "Evicted": Cause.EVICTED,
    "NodeLost": Cause.NODE_LOST,
    "Preempting": Cause.PREEMPTED,
    "Terminated": Cause.DRAINED,  # by the shutdown of its node, as the next two
    "NodeShutdown": Cause.DRAINED,
    "Shutdown": Cause.DRAINED,
}
"""Reasons that the kubelet gives a pod; a program that ends by itself has none."""
_MIN_READY_RUN = timedelta(minutes=2)
"""A notebook that ran for this long had answered, even if this process has not seen it."""
MAX_TAIL_LINES = 500
"""Lines of output in which the portal looks for the beginning of JupyterLab's own."""
_WHOLE_MESSAGE_BYTES, _WHOLE_MESSAGE_LINES = 1900, 78
"""The cluster cuts a termination message made from the log at 2048 bytes or 80 lines."""


def disruption(pod: Pod) -> Cause:
    """Return what took the pod away from outside; empty if it ended by itself."""
    status = pod.get("status", {})
    if known := _POD_REASONS.get(status.get("reason", "")):
        return known
    target = condition(pod, "DisruptionTarget")
    if target.get("status") == "True":
        return _DISRUPTIONS.get(target.get("reason", ""), Cause.DELETED)
    if is_terminating(pod):
        return Cause.DELETED
    if any(_is_forgotten(each) for _name, each in container_statuses(pod)):
        return Cause.NODE_LOST
    return Cause.CLUSTER if status.get("reason") else Cause.NONE  # such as OutOfcpu


def _is_forgotten(container: Pod) -> bool:
    """Return whether the kubelet no longer knew the container, as after its machine restarted.

    It then makes up an exit status: that of a program that was killed.
    """
    ended = container.get("state", {}).get("terminated", {})
    return bool(ended.get("reason") == "ContainerStatusUnknown")


_PREPARING = {
    CONTENT_CONTAINER: helper_pods.content_problem,
    FILES: helper_pods.prepare_problem,
}


def why_ended(pod: Pod, *, was_ready: bool = False) -> Reason:
    """Explain how a pod ended that nobody had told the portal to stop.

    ``was_ready`` is whether its JupyterLab is known to have answered.
    """
    status = pod.get("status", {})
    if cause := disruption(pod):
        detail = str(status.get("message") or condition(pod, "DisruptionTarget").get("message", ""))
        if cause == Cause.CLUSTER:
            detail = f"{status['reason']}: {detail}"
        return endings.why_ended(ServerEnd(cause=cause, detail=detail))
    for name, each in container_statuses(pod):
        ended = each.get("state", {}).get("terminated")
        if ended and name in {FILES, CONTAINER} and (known := entrypoint.problem(ended)):
            return known
        if ended and name in _PREPARING and ended.get("exitCode"):
            is_without = _reported_code(ended) == NO_JUPYTERLAB
            return _exit_reason(ended, None) if is_without else _PREPARING[name](ended)
        if ended and name == CONTAINER:
            output = str(ended.get("message", ""))
            begun = has_begun(output) if ended.get("exitCode") else None  # else it has no output
            return _exit_reason(ended, begun, helper_pods.start_script(pod), was_ready=was_ready)
        if ended and ended.get("exitCode"):  # one of the operator's containers
            return _exit_reason(ended, None)
    return pod_deleted()


def node_lost() -> Reason:
    """Return code and sentence for a notebook whose node is gone."""
    return endings.why_ended(ServerEnd(cause=Cause.NODE_LOST))


def node_unreachable() -> str:
    """Return the message for a notebook that was to stop on a node that does not answer."""
    return _(
        "The machine that ran the notebook does not answer, so the portal gave the notebook up. "
        "If the machine comes back, the notebook stops there. Anything it had not written to your "
        "own folder is lost."
    )


def build_lost(cause: Cause = Cause.NODE_LOST) -> tuple[str, str]:
    """Return code and sentence for a build that was taken away; it is tried again."""
    sentences = {
        Cause.DELETED: _(
            "The build was interrupted because someone other than the portal ended it in the "
            "cluster. Start it again."
        ),
        Cause.DRAINED: _(
            "The build was interrupted because its machine in the cluster was taken out of "
            "service. Start it again."
        ),
        Cause.PREEMPTED: _(
            "The build was interrupted to make room for something more important in the cluster. "
            "Start it again."
        ),
    }
    gone = _(
        "The build was interrupted because its machine in the cluster is gone. Start it again."
    )
    return "build.lost", sentences.get(cause, gone)


def build_evicted(why: str) -> tuple[str, str]:
    """Return code and sentence for a build whose pod was evicted; ``why`` is the cluster's."""
    if "limit" in why:  # the volume's limit, or that of the pod's storage
        return "build.disk-full", _(
            "The build wrote more than it is allowed to. Have it write less, or ask the staff for "
            "more room."
        )
    message = _("The build was stopped because its machine ran out of room: %(why)s")
    return "build.lost", message % {"why": why}


def pod_deleted() -> Reason:
    """Return code and sentence for a notebook whose pod somebody else has deleted."""
    return endings.why_ended(ServerEnd(cause=Cause.DELETED))


def _exit_reason(
    ended: Pod, begun: bool | None, script: str = "", *, was_ready: bool = False
) -> Reason:
    code = _reported_code(ended)
    if ended.get("reason") == "OOMKilled" or code == Cause.OUT_OF_MEMORY:
        return endings.why_ended(ServerEnd(cause=Cause.OUT_OF_MEMORY))
    if code == NO_JUPYTERLAB:
        return endings.why_ended(ServerEnd(cause=Cause.NO_JUPYTERLAB))
    return endings.why_ended(
        ServerEnd(
            status=ended.get("exitCode", -1),
            has_begun=begun,
            was_ready=was_ready or _run_time(ended) > _MIN_READY_RUN,
            script=script,
            lines=shown_lines(str(ended.get("message", ""))),
        )
    )


def has_begun(output: str) -> bool | None:
    """Return whether the output of a notebook's container shows that JupyterLab was run.

    None if the output is only the end of more.
    """
    lines = output.splitlines()
    if serverpod.BEGUN_LINE in lines:
        return True
    cut = len(output.encode()) > _WHOLE_MESSAGE_BYTES or len(lines) > _WHOLE_MESSAGE_LINES
    return None if cut else False


def why_slow(pod: Pod, output: str, seconds: float) -> Reason:
    """Return code and sentence for a notebook that has not answered after ``seconds``.

    ``output`` is its last output.
    """
    answer, lines = jupyter.refusals(shown_lines(output))
    begun = serverpod.BEGUN_LINE in output.splitlines() or output.count("\n") + 1 >= MAX_TAIL_LINES
    return endings.why_ended(
        ServerEnd(
            has_begun=begun,
            script=helper_pods.start_script(pod),
            answer=answer,
            lines=lines,
            seconds=seconds,
        )
    )


def shown_lines(output: str) -> list[str]:
    """Return the lines of a container's output that say something to its person."""
    return [line for line in output.split("\n") if line and line != serverpod.BEGUN_LINE]


def _run_time(ended: Pod) -> timedelta:
    try:
        return parse_time(ended["finishedAt"]) - parse_time(ended["startedAt"])
    except (KeyError, TypeError, ValueError):
        return timedelta(0)


def _reported_code(ended: Pod) -> str:
    """Return the code that our own start script has left."""
    try:
        return str(json.loads(ended.get("message", ""))["code"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def short_message(waiting: Pod) -> str:
    """Return the cluster's own words about a container that waits."""
    return str(waiting.get("message", ""))[:300]
