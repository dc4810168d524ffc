"""Attempts by code in a sandbox: in a notebook, and in a step of a build."""

from __future__ import annotations

from tests.attacks.programs import Program
from tests.attacks.sandbox import (
    calls,
    counts,
    egress,
    files,
    memory,
    namespaces,
    people,
    processes,
    rights,
)

TABLES = (processes, calls, namespaces, rights, memory, counts, files, egress, people)
PROGRAMS: tuple[Program, ...] = tuple(each for table in TABLES for each in table.ATTEMPTS)


def of(place: str) -> list[Program]:
    """Return the attempts that are made in a notebook or in a build."""
    return [each for each in PROGRAMS if place in each.places]
