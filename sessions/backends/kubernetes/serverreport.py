"""Turn a notebook's Secret and pod, as the cluster describes them, into its report. Pure functions.

The Secret stands for the run: it exists from the wish until the end is stored. A Secret without a
pod is a run whose pod is not made yet, or gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sessions.backends import FilesReport, ServerReport

from . import problems
from .homes import words
from .labels import INSTALLATION, PROJECT, SESSION, STOP, TOLD
from .podstatus import annotation, created, is_running, label, leaves, moment, unscheduled
from .serverpod import PORT
from .site import Site

Thing = dict[str, Any]

YOUNG = timedelta(seconds=30)
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
    return [found for name in names if (found := report(name, sight, site, queue))]


def report(name: str, sight: Sight, site: Site, queue: list[str]) -> ServerReport | None:
    """Return one notebook's report; None if it is all but gone and stands for no run."""
    secret, pod = sight.secrets.get(name), sight.pods.get(name)
    if secret is None:
        return _orphan(pod) if pod else None
    if pod is None or _is_over(pod, sight.now):
        return _over(secret, pod, sight)
    uid = pod["metadata"]["uid"]
    if uid in sight.answering and is_running(pod):
        address = f"http://{pod['status']['podIP']}:{PORT}"
        return _made(pod, "ready", address=address, files=words.report(pod))
    if not _is_told(secret) and (hopeless := problems.hopeless(pod)):
        return _made(pod, "gone", *hopeless)
    return _made(pod, "starting", *_wait(pod, sight, site, queue))


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
    if name not in sight.had_pod and sight.now - created(secret) < YOUNG:
        return _made(secret, "starting")
    return _made(secret, "gone", *problems.deleted())


def _is_told(secret: Thing) -> bool:
    """Return whether it was told to stop."""
    return annotation(secret, TOLD) == STOP


def _wait(pod: Thing, sight: Sight, site: Site, queue: list[str]) -> problems.Problem:
    reason = unscheduled(pod)
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    if reason is None and (filling := words.filling(pod, sight.now)):
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
