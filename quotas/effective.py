"""The rule by which limits follow from what is set; pure, without the database.

A figure that is set for the person wins over those of their groups (the most generous one),
those over the site's, that over the portal's default. A grant raises the outcome while it lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from quotas.fields import FIELDS

Figures = Mapping[str, float]


class Source(TextChoices):
    """Whence a figure is."""

    DEFAULT = "default", _("the portal's default")
    SITE = "site", _("set for everybody")
    GROUP = "group", _("set for a group")
    PERSON = "person", _("set for the person")
    GRANT = "grant", _("granted for a time")


@dataclass(frozen=True)
class Effective:
    """A figure in force: ``group`` or ``until`` tell more of its source, ``inherited`` what
    it would be with nothing set for the person alone, ``own`` what is set for them."""

    value: float
    source: Source
    inherited: float
    own: float | None = None
    group: str = ""
    until: date | None = None


class Raise(Protocol):
    """A grant, as far as the rule goes."""

    limit: str
    value: float
    until: date


def combine(
    default: Figures,
    site: Figures,
    groups: Mapping[str, Figures],
    own: Figures,
    grants: Iterable[Raise],
) -> dict[str, Effective]:
    """The figures in force, by the names in ``default``; ``groups`` by their names."""
    found = {name: _set(name, default, site, groups, own) for name in default}
    for grant in grants:
        before, amount = found[grant.limit], FIELDS[grant.limit].amount
        if amount(grant.value) > amount(before.value):
            found[grant.limit] = replace(
                before, value=grant.value, source=Source.GRANT, group="", until=grant.until
            )
    return found


def _set(
    name: str, default: Figures, site: Figures, groups: Mapping[str, Figures], own: Figures
) -> Effective:
    inherited = _inherited(name, default, site, groups)
    if name not in own:
        return inherited
    value = own[name]
    return Effective(value, Source.PERSON, inherited=inherited.value, own=value)


def _inherited(
    name: str, default: Figures, site: Figures, groups: Mapping[str, Figures]
) -> Effective:
    of_groups = [(figures[name], group) for group, figures in groups.items() if name in figures]
    if of_groups:
        value, group = max(of_groups, key=lambda each: (FIELDS[name].amount(each[0]), each[1]))
        return Effective(value, Source.GROUP, inherited=value, group=group)
    if name in site:
        return Effective(site[name], Source.SITE, inherited=site[name])
    return Effective(default[name], Source.DEFAULT, inherited=default[name])
