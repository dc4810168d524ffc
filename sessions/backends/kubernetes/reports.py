"""Turn what the cluster says about builds and notebooks into their reports. Pure functions.

A build's report comes from its pod, a notebook's from its Secret and pod. The Secret stands for the
run: it exists from the request until the end is stored. A Secret without a pod is a run whose pod
is not made yet, or gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _

from sessions.backends import BuildReport, FilesReport, ServerReport
from sessions.backends.endings import Cause
from sessions.backends.messages import NO_ROOM_TO_BUILD, time_limit
from sessions.backends.unreadable import read_each, unreadable_build, unreadable_server

from . import problems, refusals
from .homes import helper_pods
from .labels import BUILD, CANCEL, INSTALLATION, PROJECT, REQUESTED_ACTION, SESSION, STOP
from .podstatus import (
    annotation,
    claim_warning,
    container_statuses,
    created_at,
    gpu_of,
    gpu_queue,
    host_in_url,
    is_running,
    is_terminating,
    label,
    number_label,
    parse_time,
    required_number,
    termination_messages,
    unscheduled_reason,
)
from .serverpod import PORT
from .site import Site

Pod = dict[str, Any]
Manifest = dict[str, Any]
MIN_KEY_AGE = timedelta(minutes=2)
"""How old a build's key may get without its pod, which is created right after it."""
POD_CREATION_GRACE = timedelta(seconds=30)
"""How old a Secret may get without its pod, which is created right after it."""
NODE_LOST_AFTER = timedelta(seconds=60)
"""How long a pod may overstay its deletion before its node is considered lost."""
_KILLED = 137
"""The exit status after SIGKILL."""
_CODE = re.compile(r"build\.[a-z-]{1,50}")
"""The codes that are trusted: a build that has taken over its container may leave any text."""


def build_id(pod: Pod) -> int:
    """Return the number of the build that this pod belongs to. Raises `ValueError` without one."""
    return required_number(pod, BUILD)


def build_reports(
    pods: Iterable[Pod], read: Callable[[Pod], BuildReport] | None = None
) -> Iterator[BuildReport]:
    """Yield what ``read`` (or `build_report`) returns for each build's pod.

    A pod without a build's number is passed over: the portal has not made it.
    """
    return read_each(
        pods,
        read or build_report,
        lambda pod: f"pod {pod['metadata'].get('name')}",
        lambda pod, reference: unreadable_build(number_label(pod, BUILD), reference),
    )


def build_report(pod: Pod, warnings: Mapping[str, str] = MappingProxyType({})) -> BuildReport:
    """Return the build's report; it succeeded when its pod did **and** left a digest.

    ``warnings`` as in `Snapshot`.
    """
    warning = warnings.get(pod["metadata"].get("uid", ""), "")
    return replace(_report(pod, warning), has_installation_id=bool(label(pod, INSTALLATION)))


def _report(pod: Pod, warning: str) -> BuildReport:
    number, phase = build_id(pod), pod.get("status", {}).get("phase", "Pending")
    results = dict(termination_messages(pod))
    plan = results.get("plan", {})
    about: dict[str, Any] = {
        "buildpack": plan.get("pack", ""),
        "resources": plan.get("resources", ""),
    }
    if phase == "Succeeded" and (digest := results.get("push", {}).get("digest")):
        return BuildReport(number, True, digest=digest, **about)
    if annotation(pod, REQUESTED_ACTION) == CANCEL and (
        phase not in {"Running", "Pending"} or _is_unscheduled(pod)
    ):
        return BuildReport(number, True, "build.cancelled", _("The build was cancelled."))
    if phase in {"Failed", "Succeeded", "Unknown"} or is_terminating(pod):
        code, message = _failure(pod, results)
        return BuildReport(number, True, code, message, **about)
    if hopeless := _permanent_problem(pod):
        return BuildReport(number, True, *hopeless)
    return BuildReport(number, False, *_build_wait_reason(pod, warning))


def orphaned_keys(secrets: Iterable[Pod], pods: Iterable[Pod], now: datetime) -> list[str]:
    """Return the names of builds' keys that have no pod and are older than `MIN_KEY_AGE`."""
    there = {label(pod, BUILD) for pod in pods}
    return [
        secret["metadata"]["name"]
        for secret in secrets
        if label(secret, BUILD) not in there and now - created_at(secret) > MIN_KEY_AGE
    ]


def _failure(pod: Pod, results: dict[str, dict[str, str]]) -> tuple[str, str]:
    """Return code and sentence: the container's own, or the cluster's reason for the pod's end."""
    for said in results.values():
        if _CODE.fullmatch(said.get("code", "")):
            return said["code"], said.get("message", "")
    reason = pod.get("status", {}).get("reason", "")
    if reason == "DeadlineExceeded":
        message = _(
            "The build was stopped because it took longer than %(time)s. Shorten it, or ask the "
            "staff for more time."
        )
        return "build.timeout", message % {"time": time_limit(pod["spec"]["activeDeadlineSeconds"])}
    if reason == "Evicted":
        return problems.build_evicted(pod["status"].get("message", ""))
    if cause := problems.disruption(pod):
        return problems.build_lost(cause)
    return _exit_reason(pod)


def _exit_reason(pod: Pod) -> tuple[str, str]:
    """Return code and sentence for the first container that failed."""
    for _name, status in container_statuses(pod):
        ended = status.get("state", {}).get("terminated", {})
        if ended.get("reason") == "OOMKilled":
            return "build.out-of-memory", _(
                "The build ran out of memory. Have it use less, or ask the staff for more."
            )
        if ended.get("exitCode") == _KILLED:  # the builder reports steps that lack memory
            return problems.build_lost(Cause.DELETED)
        if ended.get("exitCode"):
            message = _("The build exited with status %(status)d. Its log shows what it did last.")
            return "build.failed", message % {"status": ended["exitCode"]}
    return problems.build_lost()


def _permanent_problem(pod: Pod) -> tuple[str, str] | None:
    """Return a problem that waiting cannot fix, or None."""
    for _name, status in container_statuses(pod):
        waiting = status.get("state", {}).get("waiting", {})
        if waiting.get("reason") == "InvalidImageName" or problems.is_pull_refused(waiting):
            message = _("The builder's image cannot be pulled. Tell the staff: %(why)s")
            return "build.builder", message % {"why": waiting.get("message", "")[:300]}
    return None


def _build_wait_reason(pod: Pod, warning: str) -> tuple[str, str]:
    """Return why no node has taken the build yet, or it cannot begin; empty if it is on its way."""
    reason = unscheduled_reason(pod)
    if reason is None and pod.get("status", {}).get("phase") == "Pending":
        known = refusals.explain_warning(warning)
        if known and known[0] == refusals.MISSING_OBJECT:
            return known
        return _builder_wait_reason(pod)
    if not reason:
        return "", ""
    message = _(
        "The cluster has no room for this build right now. It starts by itself when there is; the "
        "cluster says: %(why)s"
    )
    return NO_ROOM_TO_BUILD, message % {"why": reason[:300]}


def _builder_wait_reason(pod: Pod) -> tuple[str, str]:
    """Return why the builder's image cannot be pulled so far; empty if it can."""
    for _name, status in container_statuses(pod):
        waiting = status.get("state", {}).get("waiting", {})
        if problems.is_pulling(waiting):
            message = _("The builder's image cannot be pulled right now; trying again. %(why)s")
            return "build.builder", message % {"why": problems.short_message(waiting)}
    return "", ""


def _is_unscheduled(pod: Pod) -> bool:
    """Return whether no node has taken it: once cancelled, none ever will."""
    return unscheduled_reason(pod) is not None


@dataclass(frozen=True)
class Snapshot:
    """Everything known about all notebooks at one moment.

    ``ready_uids`` are the uids of pods whose JupyterLab has answered, ``warnings`` the latest
    warning for each pod's uid, ``had_pod`` the names of Secrets whose pod was once seen.
    """

    secrets: Mapping[str, Manifest]
    pods: Mapping[str, Manifest]
    ready_uids: frozenset[str]
    warnings: Mapping[str, str]
    had_pod: frozenset[str]
    now: datetime


def reports(snapshot: Snapshot, site: Site) -> list[ServerReport]:
    """Return the report of every notebook."""
    queue = gpu_queue(snapshot.pods.values(), site.gpu)
    names = sorted(snapshot.secrets.keys() | snapshot.pods.keys())
    return list(
        read_each(
            names,
            lambda name: server_report(name, snapshot, site, queue),
            lambda name: f"notebook {name}",
            lambda name, reference: _unreadable_server(
                snapshot.secrets.get(name) or snapshot.pods[name], reference
            ),
        )
    )


def _unreadable_server(thing: Manifest, reference: str) -> ServerReport | None:
    return unreadable_server(number_label(thing, SESSION), label(thing, PROJECT), reference)


def server_report(
    name: str, snapshot: Snapshot, site: Site, queue: Mapping[str, int]
) -> ServerReport | None:
    """Return one notebook's report; None if it is all but gone and stands for no run."""
    secret, pod = snapshot.secrets.get(name), snapshot.pods.get(name)
    if secret is None:
        return _orphan_report(pod) if pod else None
    if pod is None or _is_over(pod, snapshot.now):
        return _ended_report(secret, pod, snapshot)
    uid = pod["metadata"]["uid"]
    if uid in snapshot.ready_uids and is_running(pod):
        address = f"http://{host_in_url(pod['status']['podIP'])}:{PORT}"
        return _make_report(pod, "ready", address=address, files=helper_pods.files_report_of(pod))
    if not _is_stop_requested(secret) and (hopeless := problems.permanent_problem(pod)):
        return _make_report(pod, "gone", *hopeless)
    return _make_report(pod, "starting", *_server_wait_reason(pod, snapshot, site, queue))


def _orphan_report(pod: Manifest) -> ServerReport | None:
    """Report a pod that nobody wants any more, so that it is removed.

    None if the cluster is removing it already.
    """
    return None if is_terminating(pod) else _make_report(pod, "starting")


def _ended_report(secret: Manifest, pod: Manifest | None, snapshot: Snapshot) -> ServerReport:
    if _is_stop_requested(secret):
        is_lost = pod is not None and _node(pod) and _is_overdue(pod, snapshot.now)
        return _make_report(secret, "gone", message=problems.node_unreachable() if is_lost else "")
    if pod is not None:
        if pod["status"].get("phase") == "Running":
            return _make_report(secret, "gone", *problems.node_lost())
        was_ready = pod["metadata"]["uid"] in snapshot.ready_uids
        return _make_report(secret, "gone", *problems.why_ended(pod, was_ready=was_ready))
    name = secret["metadata"]["name"]
    if name not in snapshot.had_pod and snapshot.now - created_at(secret) < POD_CREATION_GRACE:
        return _make_report(secret, "starting")
    return _make_report(secret, "gone", *problems.pod_deleted())


def _is_stop_requested(secret: Manifest) -> bool:
    """Return whether it was told to stop."""
    return annotation(secret, REQUESTED_ACTION) == STOP


def _server_wait_reason(
    pod: Manifest, snapshot: Snapshot, site: Site, queue: Mapping[str, int]
) -> problems.Reason:
    reason = unscheduled_reason(pod)
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    if reason is None and (filling := helper_pods.filling_status(pod, snapshot.now)):
        return filling
    if reason is None:
        return problems.why_not_running(pod, snapshot.warnings.get(uid, ""))
    warning = claim_warning(pod, snapshot.warnings)
    return problems.why_unscheduled(reason, queue.get(name, 1), gpu_of(pod, site.gpu), warning)


def _is_over(pod: Manifest, now: datetime) -> bool:
    if pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}:
        return True
    return _is_overdue(pod, now)


def _is_overdue(pod: Manifest, now: datetime) -> bool:
    return (
        is_terminating(pod)
        and now - parse_time(pod["metadata"]["deletionTimestamp"]) > NODE_LOST_AFTER
    )


def _make_report(
    thing: Manifest,
    state: str,
    code: str = "",
    message: str = "",
    *,
    address: str = "",
    files: FilesReport | None = None,
) -> ServerReport:
    number, name = required_number(thing, SESSION), label(thing, PROJECT)
    return ServerReport(
        number,
        name,
        state,
        address,
        code,
        message,
        _node(thing),
        files,
        uid=str(thing["metadata"].get("uid", "")) if state == "ready" else "",
        has_installation_id=bool(label(thing, INSTALLATION)),
    )


def _node(thing: Manifest) -> str:
    """Return the node of a scheduled pod, or ""."""
    return str(thing.get("spec", {}).get("nodeName", ""))
