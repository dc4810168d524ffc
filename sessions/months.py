"""Months as people count them: in the portal's time zone, whatever that does with its clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self

from django.utils import timezone

_TEXT = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


@dataclass(frozen=True, order=True)
class Month:
    """``number`` is 1 for January. ``str()`` gives ``2026-01``."""

    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """The month in which this moment is."""
        local = moment.astimezone(timezone.get_default_timezone())
        return cls(local.year, local.month)

    @classmethod
    def parsed(cls, text: str) -> Self | None:
        """From ``2026-01``; None for what is no month."""
        found = _TEXT.fullmatch(text)
        year, number = (int(found[1]), int(found[2])) if found else (0, 0)
        return cls(year, number) if 1 <= number <= 12 and 1970 <= year < 9999 else None

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    def plus(self, months: int) -> Self:
        """So many months later; a negative number for earlier."""
        year, index = divmod(self.year * 12 + self.number - 1 + months, 12)
        return type(self)(year, index + 1)

    @property
    def day(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def begin(self) -> datetime:
        zone = timezone.get_default_timezone()
        return datetime(self.year, self.number, 1, tzinfo=zone)

    @property
    def end(self) -> datetime:
        """The first moment that is no more in it."""
        return self.plus(1).begin


def span(first: Month, last: Month) -> Iterator[Month]:
    """All months from the first to the last, both among them."""
    while first <= last:
        yield first
        first = first.plus(1)
