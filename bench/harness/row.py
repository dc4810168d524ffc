"""A row of the table: a measurement that yields one or more figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.harness.figures import Figure
from bench.harness.ground import Ground


@dataclass(frozen=True)
class Row:
    """One measurement.

    ``measure`` may raise: then this row is missing from the table, and the reason is given.
    """

    name: str
    measure: Callable[[Ground], Iterator[Figure]]
