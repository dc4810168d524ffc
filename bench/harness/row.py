"""A row of the table: something that is measured, and yields a figure or several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.harness.figures import Figure
from bench.harness.ground import Ground


@dataclass(frozen=True)
class Row:
    """``measure`` may raise: then this row is missing from the table, and why is said."""

    name: str
    measure: Callable[[Ground], Iterator[Figure]]
