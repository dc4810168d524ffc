"""The limits that exist: names, units and words, in the order in which they are shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

MIN_VALUE = 0.001
"""Smallest figure that may be set: a container runtime rounds anything less to zero, which means
unlimited.
"""


@dataclass(frozen=True)
class LimitField:
    """One limit.

    ``unit`` follows the figure; ``whole`` means that it counts things; ``min_value`` is the
    smallest value that may be set; ``zero_means_unlimited`` means that 0 stands for no bound. The
    words are translated when they are shown.
    """

    name: str
    label: Any
    unit: Any = ""
    whole: bool = False
    min_value: float = 0
    help: Any = ""
    zero_means_unlimited: bool = False

    def __str__(self) -> str:
        return str(self.label)

    def amount(self, value: float) -> float:
        """Return how much a figure allows, for comparison: infinity for a 0 that means no bound."""
        return math.inf if self.zero_means_unlimited and value == 0 else value


_ALL = (
    LimitField("projects", _("projects"), whole=True, help=_("Running or not, until deleted.")),
    LimitField("running", _("notebooks running at once"), whole=True),
    LimitField("cpu_request", _("CPU guaranteed"), "CPU", help=_("Unless the repository asks.")),
    LimitField("cpu_limit", _("CPU at most"), "CPU", min_value=MIN_VALUE,
               help=_("Unless the repository asks.")),
    LimitField("memory_request_gb", _("memory guaranteed"), "GB",
               help=_("Unless the repository asks.")),
    LimitField("memory_limit_gb", _("memory at most"), "GB", min_value=MIN_VALUE,
               help=_("Unless the repository asks.")),
    LimitField("max_cpu", _("CPU that a notebook may ask for"), "CPU", min_value=MIN_VALUE),
    LimitField("max_memory_gb", _("memory that a notebook may ask for"), "GB", min_value=MIN_VALUE),
    LimitField("max_gpu", _("GPUs that a notebook may ask for"), "GPU", whole=True),
    LimitField("total_cpu", _("CPU of all running notebooks"), "CPU",
               help=_("What is guaranteed.")),
    LimitField("total_memory_gb", _("memory of all running notebooks"), "GB",
               help=_("What is guaranteed.")),
    LimitField("total_gpu", _("GPUs of all running notebooks"), "GPU", whole=True),
    LimitField("idle_days", _("days of inactivity"), _("days"), whole=True,
               help=_("Then a project is deleted; 0 is never."), zero_means_unlimited=True),
    LimitField("volume_gb", _("size of the own folder"), "GB", min_value=MIN_VALUE,
               help=_("When it is first made.")),
    LimitField("builds", _("builds at once"), whole=True),
)  # fmt: skip

FIELDS: dict[str, LimitField] = {field.name: field for field in _ALL}
CHOICES = [(field.name, field.label) for field in _ALL]
