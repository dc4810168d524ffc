"""The limits that exist: names, units and words, in the order in which they are shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

LEAST = 0.001
"""Smallest figure that may be set: a container runtime rounds anything less to zero, which means
unlimited.
"""


@dataclass(frozen=True)
class Field:
    """One limit.

    ``unit`` follows the figure; ``whole`` means that it counts things; ``least`` is the smallest
    value that may be set; ``endless`` means that 0 stands for no bound. The words are translated
    when they are shown.
    """

    name: str
    label: Any
    unit: Any = ""
    whole: bool = False
    least: float = 0
    help: Any = ""
    endless: bool = False

    def __str__(self) -> str:
        return str(self.label)

    def amount(self, value: float) -> float:
        """Return how much a figure allows, for comparison: infinity for a 0 that means no bound."""
        return math.inf if self.endless and value == 0 else value


_ALL = (
    Field("projects", _("projects"), whole=True, help=_("Running or not, until deleted.")),
    Field("running", _("notebooks running at once"), whole=True),
    Field("cpu_request", _("CPU guaranteed"), "CPU", help=_("Unless the repository asks.")),
    Field("cpu_limit", _("CPU at most"), "CPU", least=LEAST, help=_("Unless the repository asks.")),
    Field("memory_request_gb", _("memory guaranteed"), "GB", help=_("Unless the repository asks.")),
    Field("memory_limit_gb", _("memory at most"), "GB", least=LEAST,
          help=_("Unless the repository asks.")),
    Field("max_cpu", _("CPU that a notebook may ask for"), "CPU", least=LEAST),
    Field("max_memory_gb", _("memory that a notebook may ask for"), "GB", least=LEAST),
    Field("max_gpu", _("GPUs that a notebook may ask for"), "GPU", whole=True),
    Field("total_cpu", _("CPU of all running notebooks"), "CPU", help=_("What is guaranteed.")),
    Field("total_memory_gb", _("memory of all running notebooks"), "GB",
          help=_("What is guaranteed.")),
    Field("total_gpu", _("GPUs of all running notebooks"), "GPU", whole=True),
    Field("idle_days", _("days of inactivity"), _("days"), whole=True,
          help=_("Then a project is deleted; 0 is never."), endless=True),
    Field("volume_gb", _("size of the own folder"), "GB", least=LEAST,
          help=_("When it is first made.")),
    Field("builds", _("builds at once"), whole=True),
)  # fmt: skip

FIELDS: dict[str, Field] = {field.name: field for field in _ALL}
CHOICES = [(field.name, field.label) for field in _ALL]
