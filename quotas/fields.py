"""The limits that exist: names, units and words; and the rule that says which figure is in force.

This is pure, without the database; `limits` looks up what is set. A figure set for the person wins
over those of their groups (the most generous one), those over the site's, that over the portal's
default. A grant raises the outcome while it lasts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Protocol

from django.db.models import TextChoices
from django.utils import formats
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

ValuesByLimit = Mapping[str, float]

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
               help=_("Then a project is deleted; 0 means never."), zero_means_unlimited=True),
    LimitField("volume_gb", _("size of the own folder"), "GB", min_value=MIN_VALUE,
               help=_("When it is first made.")),
    LimitField("builds", _("builds at once"), whole=True),
)  # fmt: skip

FIELDS: dict[str, LimitField] = {field.name: field for field in _ALL}
CHOICES = [(field.name, field.label) for field in _ALL]


def format_limit(limit: str, value: float) -> str:
    """Format a figure of this limit: ``5``, ``0.5 CPU``, ``7 days``; ``never`` for endless days."""
    if FIELDS[limit].zero_means_unlimited and value == 0:
        return gettext("never")
    return f"{format_number(value)} {FIELDS[limit].unit}".rstrip()


def format_number(value: float) -> str:
    """Format a number without an exponent and trailing zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def describe_source(effective: Effective, name: str = "") -> str:
    """Say where a figure comes from; addressed to its owner, unless ``name`` names them."""
    sentences = {
        Source.DEFAULT: gettext("the portal's default"),
        Source.SITE: gettext("set for everybody"),
        Source.GROUP: gettext("set for the group %(group)s"),
        Source.PERSON: gettext("set for %(name)s") if name else gettext("set for you"),
        Source.GRANT: gettext("granted until %(until)s"),
    }
    return sentences[effective.source] % {
        "group": effective.group,
        "name": name,
        "until": format_day(effective.until),
    }


def format_day(date_: date | None) -> str:
    """Format a day as pages write it; "" for None."""
    return formats.date_format(date_, "DATE_FORMAT") if date_ else ""


class Source(TextChoices):
    """Where a figure comes from."""

    DEFAULT = "default", _("the portal's default")
    SITE = "site", _("set for everybody")
    GROUP = "group", _("set for a group")
    PERSON = "person", _("set for the person")
    GRANT = "grant", _("granted for a time")


@dataclass(frozen=True)
class Effective:
    """A figure in force, and its source.

    ``group`` and ``until`` say more about the source. ``inherited`` is the figure without anything
    set for the person alone; ``own`` is what is set for them.
    """

    value: float
    source: Source
    inherited: float
    own: float | None = None
    group: str = ""
    until: date | None = None


class GrantLike(Protocol):
    """A grant, as far as the rule needs it."""

    limit: str
    value: float
    until: date


def combine(
    default: ValuesByLimit,
    site: ValuesByLimit,
    groups: Mapping[str, ValuesByLimit],
    own: ValuesByLimit,
    grants: Iterable[GrantLike],
) -> dict[str, Effective]:
    """Return the figures in force, by the names in ``default``; ``groups`` is by group name."""
    found = {name: _effective(name, default, site, groups, own) for name in default}
    for grant in grants:
        before, amount = found[grant.limit], FIELDS[grant.limit].amount
        if amount(grant.value) > amount(before.value):
            found[grant.limit] = replace(
                before, value=grant.value, source=Source.GRANT, group="", until=grant.until
            )
    return found


def _effective(
    name: str,
    default: ValuesByLimit,
    site: ValuesByLimit,
    groups: Mapping[str, ValuesByLimit],
    own: ValuesByLimit,
) -> Effective:
    inherited = _inherited(name, default, site, groups)
    if name not in own:
        return inherited
    value = own[name]
    return Effective(value, Source.PERSON, inherited=inherited.value, own=value)


def _inherited(
    name: str, default: ValuesByLimit, site: ValuesByLimit, groups: Mapping[str, ValuesByLimit]
) -> Effective:
    of_groups = [(figures[name], group) for group, figures in groups.items() if name in figures]
    if of_groups:
        value, group = max(of_groups, key=lambda each: (FIELDS[name].amount(each[0]), each[1]))
        return Effective(value, Source.GROUP, inherited=value, group=group)
    if name in site:
        return Effective(site[name], Source.SITE, inherited=site[name])
    return Effective(default[name], Source.DEFAULT, inherited=default[name])
