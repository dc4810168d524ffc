"""Show a person's limits on the account page, one row each, with what they use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.models import User
from quotas.admission import usage_of_limit
from quotas.effective import Effective, describe_source, format_limit, format_number
from quotas.fields import FIELDS, LimitField
from quotas.limits import effective_of
from quotas.models import LimitRequest
from quotas.requests import can_request
from sessions.lifecycle.admission import usage_of

LIMIT_GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (gettext_lazy("Projects and notebooks"), ("projects", "running", "builds", "idle_days")),
    (gettext_lazy("All your running notebooks together"),
     ("total_cpu", "total_memory_gb", "total_gpu")),
    (gettext_lazy("What the repository of one notebook may ask for"),
     ("max_cpu", "max_memory_gb", "max_gpu")),
    (gettext_lazy("What a notebook gets where its repository does not ask"),
     ("cpu_request", "cpu_limit", "memory_request_gb", "memory_limit_gb")),
    (gettext_lazy("Your own folder"), ("volume_gb",)),
)  # fmt: skip
"""Every limit once, in the order in which people look for them."""


@dataclass(frozen=True)
class LimitRow:
    """One limit of a person, what counts against it (None if nothing does), and its source."""

    field: LimitField
    effective: Effective
    used: float | None
    open_request: LimitRequest | None

    @property
    def allowed(self) -> str:
        return format_limit(self.field.name, self.effective.value)

    @property
    def in_use(self) -> str:
        """Use and limit, as ``3 of 5`` or ``2 of 8 CPU``."""
        if self.used is None:
            return ""
        return _("%(used)s of %(allowed)s") % {
            "used": format_number(self.used),
            "allowed": self.allowed,
        }

    @property
    def source_text(self) -> str:
        return describe_source(self.effective)

    @property
    def excess_notice(self) -> str:
        """The consequence of using more than is allowed, as after staff lowered the limit."""
        if self.used is None or self.used <= self.effective.value + 1e-9:
            return ""
        if self.field.name == "projects":
            return _("More than you may have now. You keep all; delete some to launch another.")
        return _("More than you may have now. What runs is left alone; a new one has to wait.")

    @property
    def can_request(self) -> bool:
        return can_request(self.field.name)


def limit_groups_of(user: User) -> list[tuple[str, list[LimitRow]]]:
    """Return all limits of this person, grouped under headings."""
    found, usage = effective_of(user), usage_of(user)
    requests = {each.limit: each for each in LimitRequest.objects.open().filter(user=user)}
    return [
        (
            str(heading),
            [
                LimitRow(FIELDS[name], found[name], usage_of_limit(usage, name), requests.get(name))
                for name in names
            ],
        )
        for heading, names in LIMIT_GROUPS
    ]
