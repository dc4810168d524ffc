"""What a person may have. The figures are those that the service promises to everybody."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from portal.models import User


@dataclass(frozen=True)
class Limits:
    """``projects`` a person may have at once; what a notebook is guaranteed (request) and may
    use at most (limit): CPUs, memory in GB (10⁹ bytes)."""

    projects: int = 5
    cpu_request: float = 1
    cpu_limit: float = 8
    memory_request_gb: float = 1
    memory_limit_gb: float = 16
    gpu: int = 0


def limits_of(user: User) -> Limits:
    """The limits in force for this person now."""
    return Limits(
        cpu_request=settings.PORTAL_CPU_REQUEST,
        cpu_limit=settings.PORTAL_CPU_LIMIT,
        memory_request_gb=settings.PORTAL_MEMORY_REQUEST_GB,
        memory_limit_gb=settings.PORTAL_MEMORY_LIMIT_GB,
    )
