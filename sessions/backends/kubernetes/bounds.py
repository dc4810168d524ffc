"""Compare a notebook's pod with the namespace's ResourceQuotas and LimitRanges before it is made.

The API server would refuse it, too, but with a text for staff, and in the same way whether waiting
helps or not. What is read here is not the last word: `refusals` explains what the server still
refuses. Without the right to read them, there are none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions.errors import InternalError, NoRoom, UserError

from .cluster import Cluster
from .podstatus import parse_quantity
from .refusals import LIMIT_RANGE, QUOTA, QUOTA_TOO_SMALL

Manifest = dict[str, Any]
Amounts = Mapping[str, float]

_NAMES = {
    "cpu": gettext_lazy("CPUs"),
    "memory": gettext_lazy("GB of memory"),
    "ephemeral-storage": gettext_lazy("GB of disk"),
    "pods": gettext_lazy("notebooks, builds and helpers"),
}
_IN_GB = {"memory", "ephemeral-storage"}
_SCOPES = {"NotTerminating", "NotBestEffort"}
"""The scopes of quotas that notebooks are in, whatever else is in a pod template."""
_MAXIMUM = gettext_lazy(
    "The cluster allows one notebook at most %(bound)s, and this one may use %(has)s"
)
_MINIMUM = gettext_lazy(
    "The cluster allows one notebook no less than %(bound)s, and this one is guaranteed %(has)s"
)
_RATIO = gettext_lazy(
    "The cluster allows a notebook to use at most %(ratio)g times what it is guaranteed; this one "
    "is guaranteed %(has)s and may use %(most)s"
)
_TOLERANCE = 1 + 1e-9


def require_room(cluster: Cluster, pod: Manifest) -> None:
    """Raise an error if the namespace has no room for this pod now, or never would have.

    `NoRoom` stands for a quota that others use up; `UserError` and `InternalError` for figures that
    no wait would change.
    """
    for found in cluster.bounds("limitranges"):
        _require_within(found, pod)
    for found in cluster.bounds("resourcequotas"):
        _require_left(found, _needs(pod))


def _require_within(limit_range: Manifest, pod: Manifest) -> None:
    for rule in limit_range["spec"].get("limits", []):
        if rule.get("type") in {"Container", "Pod"}:
            for container in pod["spec"]["containers"]:
                for sentence in _violations(rule, container.get("resources", {})):
                    source = limit_range["metadata"]["name"]
                    advice = _("Ask for other resources in .resources, or tell the staff.")
                    raise InternalError(LIMIT_RANGE, f"{sentence} (LimitRange {source}). {advice}")


def _violations(rule: Manifest, resources: Manifest) -> Iterator[str]:
    requests, limits = (_amounts(resources.get(each, {})) for each in ("requests", "limits"))
    for name, most in _amounts(rule.get("max", {})).items():
        if limits.get(name, 0) > most * _TOLERANCE:
            yield _MAXIMUM % {"bound": _told(name, most), "has": _told(name, limits[name])}
    for name, least in _amounts(rule.get("min", {})).items():
        if name in requests and requests[name] * _TOLERANCE < least:
            yield _MINIMUM % {"bound": _told(name, least), "has": _told(name, requests[name])}
    for name, ratio in _amounts(rule.get("maxLimitRequestRatio", {})).items():
        if requests.get(name) and limits.get(name, 0) / requests[name] > ratio * _TOLERANCE:
            has, may_use = _told(name, requests[name]), _told(name, limits[name])
            yield _RATIO % {"ratio": ratio, "has": has, "most": may_use}


def _require_left(quota: Manifest, needs: Amounts) -> None:
    spec, status = quota["spec"], quota.get("status", {})
    if spec.get("scopeSelector") or set(spec.get("scopes", [])) - _SCOPES:
        return
    hard = _amounts(status.get("hard", spec.get("hard", {})))
    used = _amounts(status.get("used", {}))
    for key in hard.keys() & needs.keys():
        name = key.removeprefix("requests.").removeprefix("limits.").removeprefix("count/")
        words = {
            "needs": _told(name, needs[key]),
            "hard": _told(name, hard[key]),
            "used": _told(name, used.get(key, 0)),
            "quota": quota["metadata"]["name"],
        }
        if needs[key] > hard[key] * _TOLERANCE:
            message = _(
                "The cluster gives this portal %(hard)s for everybody together (ResourceQuota "
                "%(quota)s), and this notebook alone needs %(needs)s. Ask for less in .resources, "
                "or tell the staff."
            )
            raise UserError(QUOTA_TOO_SMALL, message % words)
        if used.get(key, 0) + needs[key] > hard[key] * _TOLERANCE:
            message = _(
                "The portal has used up its quota in the cluster: %(used)s of %(hard)s are taken, "
                "and this notebook needs %(needs)s (ResourceQuota %(quota)s). It starts by itself "
                "when there is room."
            )
            raise NoRoom(QUOTA, message % words)


def _needs(pod: Manifest) -> Counter[str]:
    """Return what the pod adds to a quota's figures, by their keys there.

    Init containers run before the others, so the largest of them counts instead if it is larger.
    """
    needs = _sum(pod["spec"]["containers"])
    for container in pod["spec"].get("initContainers", []):
        needs |= _sum([container])
    for name in ("cpu", "memory", "ephemeral-storage"):
        needs[name] = needs[f"requests.{name}"]
    needs["pods"] = needs["count/pods"] = 1
    return needs


def _sum(containers: Iterable[Manifest]) -> Counter[str]:
    total: Counter[str] = Counter()
    for container in containers:
        for kind in ("requests", "limits"):
            for name, amount in _amounts(container.get("resources", {}).get(kind, {})).items():
                total[f"{kind}.{name}"] += amount  # type: ignore[assignment]
    return total


def _amounts(quantities: Mapping[str, Any]) -> dict[str, float]:
    return {name: parse_quantity(str(text)) for name, text in quantities.items()}


def _told(name: str, amount: float) -> str:
    return f"{amount / 1e9 if name in _IN_GB else amount:.4g} {_NAMES.get(name, name)}"
