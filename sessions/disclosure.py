"""Decide what others may read of what happened to a private repository's project.

Builds and notebooks have output: the lines of a traceback, a step of a Dockerfile, names of files
and branches. Messages and events quote it, and staff read those of everybody. For a private project
they read what the portal and the cluster say about themselves; anything else is replaced by a
sentence beside the code. This module is pure; `Project.shows_log_to` decides who may read what.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from sessions.backends.messages import BUILD_LIMIT, NO_GPU, NO_ROOM, NO_ROOM_TO_BUILD, NO_SPACE
from sessions.states import Phase

PUBLIC_CODES = frozenset(
    {
        *(BUILD_LIMIT, NO_GPU, NO_ROOM, NO_ROOM_TO_BUILD, NO_SPACE),
        *("quota.projects", "quota.running", "quota.cpu", "quota.memory", "quota.gpu"),
        *("internal", "project.state", "project.deleted"),
        *("cluster.unreachable", "cluster.refused", "cluster.forbidden", "cluster.quota"),
        *("cluster.webhook", "cluster.limit-range", "cluster.policy", "cluster.namespace"),
        *("cluster.missing-object", "resources.no-machine", "spawn.storage-class"),
        *("cluster.quota-too-small", "spawn.volume-gone", "spawn.volume-lost"),
        *("build.cancelled", "build.lost", "build.timeout", "build.silent", "build.disk-full"),
        "build.base-damaged",
        *("launch.timeout", "launch.host-timeout", "launch.host-unreachable", "launch.no-room"),
        *("launch.key-not-accepted", "launch.host-key-changed", "launch.host-certificate"),
        *("launch.repository-not-found", "launch.address-private", "launch.repository-banned"),
        *("launch.repository-not-allowed", "launch.repository-too-large"),
        *("spawn.lost", "spawn.node-lost", "spawn.deleted", "spawn.evicted", "spawn.volume"),
        *("spawn.preempted", "spawn.drained", "spawn.cluster", "spawn.ended"),
        *("spawn.out-of-memory", "spawn.image-pull", "spawn.no-image", "spawn.no-jupyterlab"),
        *("spawn.no-shell", "kernel.dead", "build.kernel-dead"),
        *("spawn.volume-read-only", "spawn.volume-unknown"),
        "spawn.folder-owner",
    }
)
"""Codes whose messages quote neither a build nor a notebook nor a file of the repository. Add a new
code only after checking that.
"""

_PUBLIC_MESSAGES = {
    Phase.WAITING: re.compile(r"Launched by \S+; looking for the commit\."),
    Phase.LAUNCHING: re.compile(r"Starting the notebook\."),
}
"""Events without a code are public as well, except in these phases: there, only these sentences
are, because warnings about ``.resources`` and file names appear beside them.
"""


def redact(message: str, code: str, phase: str = "") -> str:
    """Return the message, or the sentence that replaces it for people other than the owner."""
    if not message or _is_public(message, code, phase):
        return message
    return _("Only the owner can see this message.")


def _is_public(message: str, code: str, phase: str) -> bool:
    if code:
        return code in PUBLIC_CODES
    ours = _PUBLIC_MESSAGES.get(Phase(phase)) if phase else None
    return ours is None or ours.fullmatch(message) is not None
