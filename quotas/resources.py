"""Settle the resources of a notebook: what its repository asks for, within its owner's limits.

This is pure. `resourcesfile` reads the file; this module decides what of it may be given, before
anything is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.utils.translation import gettext as _

from quotas.resourcesfile import RequestedResources, ResourcesRefused


@dataclass(frozen=True)
class Resources:
    """Resources of one notebook, guaranteed and maximum.

    CPUs, memory in GB (10⁹ bytes), whole GPUs. ``gpu_type`` is the type of GPU that is asked for,
    ``runs_on`` the title of the profile that applies (`quotas.profiles`); "" for none.
    """

    cpu_request: float
    cpu_limit: float
    memory_request_gb: float
    memory_limit_gb: float
    gpu: int = 0
    gpu_type: str = ""
    runs_on: str = ""


@dataclass(frozen=True)
class Placement:
    """A profile's part of a notebook's pod, in Kubernetes' own terms; "" leaves it to the site."""

    gpu_resource: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    priority_class: str = ""
    runtime_class: str = ""
    own_users: bool = False
    pull_policy: str = ""
    pull_secrets: tuple[str, ...] = ()


class NotebookLimits(Protocol):
    """A person's limits for one notebook: defaults, and the most that may be asked for."""

    @property
    def cpu_request(self) -> float:
        """Return the CPUs that a notebook is given by default."""

    @property
    def cpu_limit(self) -> float:
        """Return the CPUs that a notebook may use by default."""

    @property
    def memory_request_gb(self) -> float:
        """Return the memory in GB that a notebook is given by default."""

    @property
    def memory_limit_gb(self) -> float:
        """Return the memory in GB that a notebook may use by default."""

    @property
    def max_cpu(self) -> float:
        """Return the most CPUs that may be asked for."""

    @property
    def max_memory_gb(self) -> float:
        """Return the most memory in GB that may be asked for."""

    @property
    def max_gpu(self) -> int:
        """Return the most GPUs that may be asked for."""


@dataclass(frozen=True)
class _Maximum:
    """The most that any of ``keys`` may ask for; ``limit`` names it.

    The larger key stands first, so that a person who is granted what a refusal names has enough for
    both.
    """

    limit: str
    code: str
    unit: str
    keys: tuple[str, ...]


_CPU = _Maximum("max_cpu", "resources.cpu", "CPU", ("cpul", "cpur"))
_MEMORY = _Maximum("max_memory_gb", "resources.memory", "GB", ("meml", "memr"))
_GPU = _Maximum("max_gpu", "resources.gpu", "GPU", ("gpu",))


def compute_resources(requested: RequestedResources, limits: NotebookLimits) -> Resources:
    """Return the notebook's resources: the figures that are asked for, and defaults for the others.

    A default gives way to a figure that is asked for. No limit exceeds what the person may ask for,
    no request its limit.

    Raises `ResourcesRefused` if that is not possible.
    """
    for kind in (_CPU, _MEMORY):  # first, because a higher limit would not fix this
        _require_order(requested, kind)
    for kind in (_CPU, _MEMORY, _GPU):
        _require_within(requested, kind, getattr(limits, kind.limit))
    cpu_limit = _limit(requested.cpul, requested.cpur, limits.cpu_limit, limits.max_cpu)
    memory_limit = _limit(
        requested.meml, requested.memr, limits.memory_limit_gb, limits.max_memory_gb
    )
    return Resources(
        cpu_request=_request(requested.cpur, limits.cpu_request, cpu_limit),
        cpu_limit=cpu_limit,
        memory_request_gb=_request(requested.memr, limits.memory_request_gb, memory_limit),
        memory_limit_gb=memory_limit,
        gpu=requested.gpu or 0,
        gpu_type=requested.gputype if requested.gpu else "",
    )


def _limit(requested: float | None, request: float | None, default: float, most: float) -> float:
    if requested is not None:
        return requested
    return max(min(default, most), request or 0)


def _request(requested: float | None, default: float, limit: float) -> float:
    return min(default, limit) if requested is None else requested


def _require_order(requested: RequestedResources, kind: _Maximum) -> None:
    most, least = kind.keys
    limit, request = getattr(requested, most), getattr(requested, least)
    if limit is None or request is None or request <= limit:
        return
    template = _(
        "Line %(line)d of .resources asks for %(request)g %(unit)s to be guaranteed "
        "(%(least)s), but line %(other)d allows at most %(limit)g %(unit)s (%(most)s). "
        "Lower %(least)s or raise %(most)s."
    )
    values = {"request": request, "limit": limit, "unit": kind.unit, "least": least, "most": most}
    values |= {"line": requested.lines[least], "other": requested.lines[most]}
    raise ResourcesRefused(
        "resources.request-above-limit", template % values, requested.lines[least]
    )


def _require_within(requested: RequestedResources, kind: _Maximum, allowed: float) -> None:
    for key in kind.keys:
        figure = getattr(requested, key)
        if figure is not None and figure > allowed:
            raise _excess_error(kind, key, requested.lines[key], figure, allowed)


def _excess_error(
    kind: _Maximum, key: str, line: int, figure: float, allowed: float
) -> ResourcesRefused:
    template = _(
        "Line %(line)d of .resources asks for %(requested)g %(unit)s (%(key)s), but you may "
        "ask for at most %(allowed)g %(unit)s in one notebook. Ask staff for more, or "
        "lower the value."
    )
    values = {"line": line, "requested": figure, "unit": kind.unit, "key": key, "allowed": allowed}
    message = template % values
    return ResourcesRefused(
        kind.code, message, line, limit=kind.limit, requested=figure, allowed=allowed
    )
