"""Say what the cluster's refusals and warnings mean: one table for each, a sentence for each kind.

`error_from_response` is for the API server's answers, `explain_warning` for the events of pods and
claims. The person reads the sentence; staff find the cluster's own words in it and in the log.
Pure functions of the cluster's text.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions.backends.messages import UNREACHABLE, VOLUME_GONE
from sessions.errors import (
    BackendAway,
    BackendRefuses,
    BinderyError,
    InternalError,
    NoRoom,
)

log = logging.getLogger(__name__)

MAX_REASON = 500
"""Maximum characters of the cluster's own words in a message."""
FORBIDDEN = "cluster.forbidden"
MISSING_OBJECT = "cluster.missing-object"
QUOTA = "cluster.quota"
QUOTA_TOO_SMALL = "cluster.quota-too-small"
LIMIT_RANGE = "cluster.limit-range"

_REFUSALS: tuple[tuple[str, type[BinderyError], str, Any], ...] = (
    (
        r"exceeded quota",
        NoRoom,
        QUOTA,
        gettext_lazy(
            "The portal has used up its quota in the cluster. This starts by itself when there is "
            "room. The cluster says: %(why)s."
        ),
    ),
    (
        r"failed calling (admission )?webhook",
        NoRoom,
        "cluster.webhook",
        gettext_lazy(
            "A part of the cluster that checks everything new does not answer. This starts by "
            "itself when it does. The cluster says: %(why)s."
        ),
    ),
    (
        r"(maximum|minimum) \S+ usage per|(max|maximum) \S+ to request ratio per",
        InternalError,
        LIMIT_RANGE,
        gettext_lazy(
            "The cluster does not allow one %(kind)s to have that much or that little. Ask for "
            "other resources, or tell the staff. The cluster says: %(why)s."
        ),
    ),
    (
        r"admission webhook .* denied|violates PodSecurity|denied by .*polic|unable to validate a",
        InternalError,
        "cluster.policy",
        gettext_lazy(
            "A rule of the cluster forbids this. Tell the staff, who can change the rule. The "
            "cluster says: %(why)s."
        ),
    ),
    (
        r"namespaces? \S+ not found|because it is being terminated",
        BackendRefuses,
        "cluster.namespace",
        gettext_lazy(
            "The portal's place in the cluster is gone. Tell the staff. The cluster says: %(why)s."
        ),
    ),
)
"""What the API server says when it does not create an object, and what that means for people.

Its status is no help: 403 stands for a missing right, a quota, a limit and a policy.
"""


def error_from_response(status: int, raw: bytes, path: str = "") -> BinderyError:
    """Return the error for an answer of the API server; ``path`` is what was asked for."""
    try:
        why = str(json.loads(raw)["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        why = raw[:200].decode("utf-8", "replace")
    kind = _("volume") if path.startswith("persistentvolumeclaims") else _("notebook or build")
    for pattern, error, code, sentence in _REFUSALS:
        if re.search(pattern, why):
            log.warning("the cluster refused %s (%s): %s", path, code, why)
            return error(code, sentence % {"why": why[:MAX_REASON], "kind": kind})
    if status == 429 or status >= 500:
        message = _("The cluster cannot answer right now: %(why)s.") % {"why": why}
        return BackendAway(UNREACHABLE, message)
    if status in {401, 403}:
        log.error("the cluster does not let the portal do this (%s): %s", path, why)
        message = _("The cluster does not let the portal do this. Tell the staff: %(why)s.")
        return BackendRefuses(FORBIDDEN, message % {"why": why})
    return InternalError("cluster.refused", _("The cluster refused this: %(why)s.") % {"why": why})


_WARNINGS = (
    (
        r"(secret|configmap) \S+ not found|non-existent (secret|config) key",
        MISSING_OBJECT,
        gettext_lazy(
            "Something that this needs does not exist in the cluster. Tell the staff; it goes on "
            "by itself when they have made it. The cluster says: %(why)s."
        ),
    ),
    (
        r"storageclass\S* \S+ not found|no persistent volumes available for this claim",
        "spawn.storage-class",
        gettext_lazy(
            "Your folder cannot be created, because the cluster has no storage of the kind that "
            "the portal asks for. Tell the staff. The cluster says: %(why)s."
        ),
    ),
    (
        r"persistentvolumeclaim \S+ (not found|is being deleted)",
        VOLUME_GONE,
        gettext_lazy(
            "The volume with your folder was deleted in the cluster. It is made again, and empty, "
            "unless the staff restore it. The cluster says: %(why)s."
        ),
    ),
    (
        r"bound to non-existent persistentvolume|claim \S* ?is lost|ClaimLost",
        "spawn.volume-lost",
        gettext_lazy(
            "The cluster has lost the storage behind your folder. Tell the staff, who can bring it "
            "back. The cluster says: %(why)s."
        ),
    ),
    (
        r"ProvisioningFailed|VolumeFailed",
        "spawn.volume",
        gettext_lazy(
            "Your folder cannot be created right now; the cluster tries again. If it goes on, tell "
            "the staff. The cluster says: %(why)s."
        ),
    ),
    (
        r"FailedMount|FailedAttachVolume",
        "spawn.volume",
        gettext_lazy("Your files cannot be reached right now; trying again. %(why)s"),
    ),
)
"""What the cluster warns of while a pod waits, the most particular first."""


def explain_warning(why: str) -> tuple[str, str] | None:
    """Return code and sentence for a warning about a pod or its volume; None if it is another."""
    for pattern, code, sentence in _WARNINGS:
        if re.search(pattern, why, re.IGNORECASE):
            return code, sentence % {"why": why[:MAX_REASON].rstrip(".")}
    return None
