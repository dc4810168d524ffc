"""Turn a build's pod, as the cluster describes it, into the build's report. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from sessions.backends import BuildReport
from sessions.backends.messages import NO_ROOM_TO_BUILD

from .buildpod import STAGES
from .labels import BUILD, CANCEL, INSTALLATION, TOLD
from .podstatus import annotation, containers, created, label, leaves, unscheduled
from .problems import is_pull_refused

Pod = dict[str, Any]
YOUNG = timedelta(minutes=2)
"""How old a build's key may get without its pod, which is made right after it."""
_CODE = re.compile(r"build\.[a-z-]{1,50}")
"""The codes that are believed: a build that has taken over its container may leave any text."""


def build_id(pod: Pod) -> int:
    """Return the number of the build that this pod belongs to."""
    return int(label(pod, BUILD))


def report(pod: Pod) -> BuildReport:
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
    return BuildReport(number, False, *_wait(pod))


def keys_of_nobody(secrets: Iterable[Pod], pods: Iterable[Pod], now: datetime) -> list[str]:
    """Return the names of builds' keys without a pod, except those made just now."""
    there = {label(pod, BUILD) for pod in pods}
    return [
        secret["metadata"]["name"]
        for secret in secrets
        if label(secret, BUILD) not in there and now - created(secret) > YOUNG
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


def _wait(pod: Pod) -> tuple[str, str]:
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
