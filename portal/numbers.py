"""Numbers of rows as they stand in addresses and forms.

A database takes 64 bits at most: SQLite's driver raises for more, wherever Django has not looked.
"""

from __future__ import annotations

DIGITS = 18
"""Fewer than the largest such number has, so that whatever has so many fits."""


def row_number(text: str) -> int | None:
    """Return the number that ``text`` is, None where no row can have it."""
    fits = 0 < len(text) <= DIGITS and text.isascii() and text.isdigit()
    return int(text) if fits else None
