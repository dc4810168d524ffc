"""Compute the limits in force from what is set, and write them in words.

This is pure, without the database. A figure set for the person wins over those of their groups (the
most generous one), those over the site's, that over the portal's default. A grant raises the
outcome while it lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from django.db.models import TextChoices
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .fields import FIELDS


def format_limit(limit: str, value: float) -> str:
    """Format a figure of this limit: ``5``, ``0.5 CPU``, ``7 days``; ``never`` for endless days."""
    if FIELDS[limit].zero_means_unlimited and value == 0:
        return _("never")
    return f"{format_number(value)} {FIELDS[limit].unit}".rstrip()


def format_number(value: float) -> str:
    """Format a number without an exponent and trailing zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def describe_source(effective: Effective, name: str = "") -> str:
    """Say where a figure comes from; addressed to its owner, unless ``name`` names them."""
    sentences = {
        Source.DEFAULT: _("the portal's default"),
        Source.SITE: _("set for everybody"),
        Source.GROUP: _("set for the group %(group)s"),
        Source.PERSON: _("set for %(name)s") if name else _("set for you"),
        Source.GRANT: _("granted until %(until)s"),
    }
    return sentences[effective.source] % {
        "group": effective.group,
        "name": name,
        "until": format_day(effective.until),
    }


def format_day(date_: date | None) -> str:
    """Format a day as pages write it; "" for None."""
    return formats.date_format(date_, "DATE_FORMAT") if date_ else ""


ValuesByLimit = Mapping[str, float]


class Source(TextChoices):
    """Where a figure comes from."""

    DEFAULT = "default", gettext_lazy("the portal's default")
    SITE = "site", gettext_lazy("set for everybody")
    GROUP = "group", gettext_lazy("set for a group")
    PERSON = "person", gettext_lazy("set for the person")
    GRANT = "grant", gettext_lazy("granted for a time")


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
