"""Read the back end's capacity once a minute; tell when its disk is full, or no machine fits.

`sessions.watch.reconcile` reads it into one row, so that no page has to wait for the back end;
`sessions.statistics.overview` compares it with what is in use.

While the disk for environments is nearly full, new builds wait (`sessions.lifecycle.builds`),
unused images are removed (`sessions.retention`) and staff are told (`portal.adminsite.site`). A
full disk would do more harm to everybody than a wait does to a few.
"""

from __future__ import annotations

import logging
from dataclasses import asdict

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from quotas.resources import Resources
from sessions import backends
from sessions.errors import BinderyError, UserError

from .models import Capacity

MIN_FREE_SHARE = 0.05
MAX_RESERVE_GB = 5.0


def is_disk_nearly_full(current: Capacity | None = None) -> bool:
    """Return whether less is free than has to be; False if nobody can tell.

    ``current`` saves a query.
    """
    current = current or latest()
    if current is None or current.disk_free_gb is None:
        return False
    return current.disk_free_gb < min_free_gb(current.disk_gb)


def min_free_gb(disk_gb: float | None) -> float:
    """Return how many GB have to stay free.

    That is what the operator has set, or a share of the disk, at most what suffices on a large one.
    """
    if settings.PORTAL_MIN_FREE_GB is not None:
        return float(settings.PORTAL_MIN_FREE_GB)
    return min(MAX_RESERVE_GB, MIN_FREE_SHARE * disk_gb) if disk_gb is not None else MAX_RESERVE_GB


def no_space_message() -> str:
    """Return the message for people who wait for a build."""
    return _(
        "This portal's disk is nearly full, so no new build starts. The staff have been notified; "
        "your build starts by itself when there is room."
    )


log = logging.getLogger(__name__)

_ROW = 1


def refresh() -> None:
    """Store the back end's present capacity. While it cannot be read, the last one stays."""
    try:
        found = backends.get_backend().capacity() or backends.Capacity()
    except BinderyError as error:
        log.warning("the capacity is unknown right now: %s", error)
        return
    figures = {**asdict(found), "gpu": None if found.gpu is None else int(found.gpu)}
    Capacity.objects.update_or_create(pk=_ROW, defaults={**figures, "at": timezone.now()})


def latest() -> Capacity | None:
    """Return the capacity read last, or None before anybody has read it."""
    return Capacity.objects.filter(pk=_ROW).first()


def require_possible(wanted: Resources) -> None:
    """Check that some machine is large enough, as far as anybody knows how large they are.

    Raises `UserError`: no wait would help.
    """
    now = latest()
    machines: list[tuple[float, float, float]] = (now and now.machines) or []
    # A profile's GPUs may be of another name than those that machines are known to have.
    gpu = 0 if wanted.gpu_type or wanted.runs_on else wanted.gpu
    needs = (wanted.cpu_request, wanted.memory_request_gb, gpu)
    if not machines or any(
        all(need <= size for need, size in zip(needs, each, strict=True)) for each in machines
    ):
        return
    message = _(
        "No machine of this portal is large enough for this notebook. It asks for %(wanted)s; the "
        "largest machines have %(largest)s. Ask for less in .resources, or ask the staff."
    )
    largest = _(", or ").join(_size(*each) for each in machines[-3:])
    raise UserError("resources.no-machine", message % {"wanted": _size(*needs), "largest": largest})


def _size(cpu: float, memory_gb: float, gpu: float) -> str:
    values = {"cpu": f"{cpu:.3g}", "memory": f"{memory_gb:.4g}", "gpu": f"{gpu:g}"}
    if gpu:
        return _("%(cpu)s CPUs, %(memory)s GB of memory and %(gpu)s GPUs") % values
    return _("%(cpu)s CPUs and %(memory)s GB of memory") % values
