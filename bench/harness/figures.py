"""Measured values of the portal and of a peer, and statistics of them. Pure functions."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TAIL = 0.95


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of them lies, by linear interpolation."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass(frozen=True)
class Values:
    """The measurements of one side, over all runs, in the figure's unit."""

    all: tuple[float, ...]
    more_is_better: bool = False

    @property
    def median(self) -> float:
        """Return the median. Raises `statistics.StatisticsError` if there are no measurements."""
        return statistics.median(self.all)

    @property
    def p95(self) -> float:
        """Return the value that 95 of 100 reach or beat: the 5th percentile if more is better."""
        return quantile(self.all, 1 - TAIL if self.more_is_better else TAIL)


@dataclass(frozen=True)
class Target:
    """A number to reach.

    The ``ratio`` to the peer has to be at least ``bound``; the ``median`` or the ``p95`` at most
    that, or at least that where more is better.
    """

    of: Literal["ratio", "median", "p95"]
    bound: float


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    ``peer`` names the other side, "" if there is none; then it has no values.
    """

    what: str
    unit: str
    ours: Sequence[float]
    peer: str = ""
    theirs: Sequence[float] = ()
    more_is_better: bool = False
    target: Target | None = None

    @property
    def our_values(self) -> Values:
        """Return the portal's measurements."""
        return Values(tuple(self.ours), self.more_is_better)

    @property
    def their_values(self) -> Values | None:
        """Return the peer's measurements; None without a peer."""
        return Values(tuple(self.theirs), self.more_is_better) if self.theirs else None

    @property
    def ratio(self) -> float | None:
        """Return how many times as good as the peer the portal is, by the medians; above 1: better.

        None without a peer, or if one of them is zero.
        """
        theirs = self.their_values
        if theirs is None or not theirs.median or not self.our_values.median:
            return None
        ratio = self.our_values.median / theirs.median
        return ratio if self.more_is_better else 1 / ratio

    @property
    def is_reached(self) -> bool | None:
        """Return whether the target is reached; None if there is none, or nothing to compare."""
        if self.target is None:
            return None
        if self.target.of == "ratio":
            return None if self.ratio is None else self.ratio >= self.target.bound
        values = self.our_values
        value = values.median if self.target.of == "median" else values.p95
        if self.more_is_better:
            return value >= self.target.bound
        return value <= self.target.bound
