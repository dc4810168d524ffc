"""Run the portal and its peers in turn, so that a slow moment hits all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def in_turn(
    sides: Mapping[str, Callable[[], T]], rounds: int, chance: random.Random
) -> dict[str, list[T]]:
    """Return each side's result of each round; the order is drawn anew for each."""
    given: dict[str, list[T]] = {name: [] for name in sides}
    for _round in range(rounds):
        for name in chance.sample(list(sides), len(sides)):
            given[name].append(sides[name]())
    return given
