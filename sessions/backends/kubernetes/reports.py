"""Turn a build's pod, as the cluster describes it, into the build's report. Pure functions.

Turn a notebook's Secret and pod, as the cluster describes them, into its report. Pure functions.

The Secret stands for the run: it exists from the wish until the end is stored. A Secret without a
pod is a run whose pod is not made yet, or gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from sessions.backends import BuildReport, FilesReport, ServerReport
from sessions.backends.messages import NO_ROOM_TO_BUILD

from . import problems
from .buildpod import STAGES
from .homes import errands
from .labels import BUILD, CANCEL, INSTALLATION, PROJECT, SESSION, STOP, TOLD
from .podstatus import (
    annotation,
    containers,
    created,
    is_running,
    label,
    leaves,
    moment,
    unscheduled,
)
from .problems import is_pull_refused
from .serverpod import PORT
from .site import Site

Pod = dict[str, Any]
MAX_UNSEEN_BUILD = timedelta(minutes=2)
"""How old a build's key may get without its pod, which is made right after it."""
_CODE = re.compile(r"build\.[a-z-]{1,50}")
"""The codes that are believed: a build that has taken over its container may leave any text."""


def build_id(pod: Pod) -> int:
    """Return the number of the build that this pod belongs to."""
    return int(label(pod, BUILD))


def build_report(pod: Pod) -> BuildReport:
    """Return the build's report; it succeeded when its pod did **and** left a digest."""
    return replace(_report(pod), marked=bool(label(pod, INSTALLATION)))


def _report(pod: Pod) -> BuildReport:
    number, phase = build_id(pod), pod.get("status", {}).get("phase", "Pending")
    results = dict(_results(pod))
    about: dict[str, Any] = {
        key: results.get("plan", {}).get(key, "") for key in ("pack", "resources")
    }
    if phase == "Succeeded" and (digest := results.get("push", {}).get("digest")):
        return BuildReport(number, True, digest=digest, **about)
    if annotation(pod, TOLD) == CANCEL and (phase not in {"Running", "Pending"} or _idle(pod)):
        return BuildReport(number, True, "build.cancelled", _("The build was cancelled."))
    if phase in {"Failed", "Succeeded", "Unknown"} or leaves(pod):
        code, message = _failure(pod, results)
        return BuildReport(number, True, code, message, **about)
    if hopeless := _hopeless(pod):
        return BuildReport(number, True, *hopeless)
    return BuildReport(number, False, *_build_wait(pod))


def keys_of_nobody(secrets: Iterable[Pod], pods: Iterable[Pod], now: datetime) -> list[str]:
    """Return the names of builds' keys without a pod, except those made just now."""
    there = {label(pod, BUILD) for pod in pods}
    return [
        secret["metadata"]["name"]
        for secret in secrets
        if label(secret, BUILD) not in there and now - created(secret) > MAX_UNSEEN_BUILD
    ]


def finished_stages(pod: Pod) -> list[str]:
    """Return the containers that have ended, and whose output is therefore complete."""
    return [name for name, status in containers(pod) if "terminated" in status.get("state", {})]


def begun_stages(pod: Pod) -> list[str]:
    """Return the containers that may have output, in order."""
    begun = {
        name for name, status in containers(pod) if status.get("state", {}).keys() - {"waiting"}
    }
    return [stage for stage in STAGES if stage in begun]


def _results(pod: Pod) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each container's termination message, parsed."""
    for name, status in containers(pod):
        text = status.get("state", {}).get("terminated", {}).get("message", "")
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield name, {key: str(value).replace("\0", "") for key, value in found.items()}


def _failure(pod: Pod, results: dict[str, dict[str, str]]) -> tuple[str, str]:
    """Return code and sentence: the container's own, or the cluster's reason for the pod's end."""
    for said in results.values():
        if _CODE.fullmatch(said.get("code", "")):
            return said["code"], said.get("message", "")
    reason = pod.get("status", {}).get("reason", "")
    if reason == "DeadlineExceeded":
        minutes = pod["spec"]["activeDeadlineSeconds"] / 60
        message = _("The build was ended because it took longer than %(minutes).3g minutes.")
        return "build.timeout", message % {"minutes": minutes}
    if reason == "Evicted":
        return _evicted(pod["status"].get("message", ""))
    for _name, status in containers(pod):
        ended = status.get("state", {}).get("terminated", {})
        if ended.get("reason") == "OOMKilled" or ended.get("exitCode") == 137:
            return "build.out-of-memory", _("The build used more than the memory it may have.")
        if ended.get("exitCode"):
            message = _("The build ended with status %(status)d. Its log says what it did last.")
            return "build.failed", message % {"status": ended["exitCode"]}
    return lost()


def lost() -> tuple[str, str]:
    """Return code and sentence for a build of which nothing is left."""
    return "build.lost", _("The build was interrupted because its machine in the cluster is gone.")


def _evicted(why: str) -> tuple[str, str]:
    if "limit" in why:  # of the volume, or of the pod's storage
        return "build.disk-full", _("The build wrote more than it may.")
    message = _("The build was ended because its machine ran out of room: %(why)s")
    return "build.lost", message % {"why": why}


def _hopeless(pod: Pod) -> tuple[str, str] | None:
    """Return a problem that waiting cannot fix, or None."""
    for _name, status in containers(pod):
        waiting = status.get("state", {}).get("waiting", {})
        if waiting.get("reason") == "InvalidImageName" or is_pull_refused(waiting):
            message = _("The builder's image cannot be pulled. Tell the staff: %(why)s")
            return "build.builder", message % {"why": waiting.get("message", "")[:300]}
    return None


def _build_wait(pod: Pod) -> tuple[str, str]:
    """Return why no node has taken the build yet; empty if it is on its way."""
    if not (reason := unscheduled(pod)):
        return "", ""
    message = _(
        "The cluster has no room for this build at present. It begins by itself when there is "
        "some; the cluster says: %(why)s"
    )
    return NO_ROOM_TO_BUILD, message % {"why": reason[:300]}


def _idle(pod: Pod) -> bool:
    """Return whether no node has taken it: once cancelled, none ever will."""
    return unscheduled(pod) is not None


Thing = dict[str, Any]

MAX_UNSEEN_SERVER = timedelta(seconds=30)
"""How old a Secret may get without its pod, which is made right after it."""
OVERDUE = timedelta(seconds=60)
"""How long after it should have gone a pod's node is considered lost."""


@dataclass(frozen=True)
class Sight:
    """Everything known about all notebooks at one moment.

    ``answering`` are the uids of pods whose JupyterLab has answered, ``warnings`` the latest
    warning for each pod's uid, ``had_pod`` the names of Secrets whose pod was once seen.
    """

    secrets: Mapping[str, Thing]
    pods: Mapping[str, Thing]
    answering: frozenset[str]
    warnings: Mapping[str, str]
    had_pod: frozenset[str]
    now: datetime


def reports(sight: Sight, site: Site) -> list[ServerReport]:
    """Return the report of every notebook."""
    queue = _queue(sight.pods.values(), site)
    names = sorted(sight.secrets.keys() | sight.pods.keys())
    return [found for name in names if (found := server_report(name, sight, site, queue))]


def server_report(name: str, sight: Sight, site: Site, queue: list[str]) -> ServerReport | None:
    """Return one notebook's report; None if it is all but gone and stands for no run."""
    secret, pod = sight.secrets.get(name), sight.pods.get(name)
    if secret is None:
        return _orphan(pod) if pod else None
    if pod is None or _is_over(pod, sight.now):
        return _over(secret, pod, sight)
    uid = pod["metadata"]["uid"]
    if uid in sight.answering and is_running(pod):
        address = f"http://{pod['status']['podIP']}:{PORT}"
        return _made(pod, "ready", address=address, files=errands.report(pod))
    if not _is_told(secret) and (hopeless := problems.hopeless(pod)):
        return _made(pod, "gone", *hopeless)
    return _made(pod, "starting", *_server_wait(pod, sight, site, queue))


def _orphan(pod: Thing) -> ServerReport | None:
    """Report a pod that nobody wants any more, so that it is removed.

    None if the cluster is removing it already.
    """
    return None if leaves(pod) else _made(pod, "starting")


def _over(secret: Thing, pod: Thing | None, sight: Sight) -> ServerReport:
    if _is_told(secret):
        is_lost = pod is not None and _node(pod) and _is_overdue(pod, sight.now)
        return _made(secret, "gone", message=problems.given_up() if is_lost else "")
    if pod is not None:
        lost = pod["status"].get("phase") == "Running"
        return _made(secret, "gone", *(problems.node_lost() if lost else problems.why_ended(pod)))
    name = secret["metadata"]["name"]
    if name not in sight.had_pod and sight.now - created(secret) < MAX_UNSEEN_SERVER:
        return _made(secret, "starting")
    return _made(secret, "gone", *problems.deleted())


def _is_told(secret: Thing) -> bool:
    """Return whether it was told to stop."""
    return annotation(secret, TOLD) == STOP


def _server_wait(pod: Thing, sight: Sight, site: Site, queue: list[str]) -> problems.Problem:
    reason = unscheduled(pod)
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    if reason is None and (filling := errands.filling(pod, sight.now)):
        return filling
    if reason is None:
        return problems.why_not_running(pod, sight.warnings.get(uid, ""))
    place = queue.index(name) + 1 if name in queue else 1
    return problems.why_unplaced(reason, place, site)


def _queue(pods: Iterable[Thing], site: Site) -> list[str]:
    """Return the names of pods that wait for a GPU, oldest first."""
    waiting = [pod for pod in pods if f"Insufficient {site.gpu}" in (unscheduled(pod) or "")]
    return [pod["metadata"]["name"] for pod in sorted(waiting, key=created)]


def _is_over(pod: Thing, now: datetime) -> bool:
    if pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}:
        return True
    return _is_overdue(pod, now)


def _is_overdue(pod: Thing, now: datetime) -> bool:
    return leaves(pod) and now - moment(pod["metadata"]["deletionTimestamp"]) > OVERDUE


def _made(
    thing: Thing,
    state: str,
    code: str = "",
    message: str = "",
    *,
    address: str = "",
    files: FilesReport | None = None,
) -> ServerReport:
    number, name = int(label(thing, SESSION)), label(thing, PROJECT)
    marked = bool(label(thing, INSTALLATION))
    return ServerReport(
        number, name, state, address, code, message, _node(thing), files, marked=marked
    )


def _node(thing: Thing) -> str:
    """Return the node of a scheduled pod, or ""."""
    return str(thing.get("spec", {}).get("nodeName", ""))
