"""Put a run into a page of the documentation, in place of the one before. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.harness.figures import Figure
from bench.harness.table import table

BEGIN, END = "<!-- a run -->", "<!-- its end -->"


def described(run: Mapping[str, Any], figures: Iterable[Figure]) -> str:
    """Return date, machine and versions, and the table."""
    machine, versions = run["machine"], run["versions"]
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB"
    used = ", ".join(f"{name} {number}" for name, number in versions.items() if number)
    about = (
        f"{run['date'][:10]}, seed {run['plan']['seed']}; {where}; {machine['system']}, "
        f"Python {machine['python']}; {used}."
    )
    return "\n".join([about, "", *table(figures)])


def put(page: str, text: str) -> str:
    """Return the page with this text between its two marks. Raises `ValueError` if it has none."""
    before, begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} … {END} in the page")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"
