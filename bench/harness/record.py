"""Record a run as JSON, for programs, and for comparing it with a later one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bench.harness import machine
from bench.harness.figures import Figure, Values
from bench.harness.plan import Plan


def about(plan: Plan) -> dict[str, Any]:
    """Return what belongs to a run besides its figures."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.machine(),
        "versions": dict(machine.versions()),
        "plan": asdict(plan),
    }


def record(
    run: Mapping[str, Any], figures: Iterable[Figure], failures: Mapping[str, str]
) -> dict[str, Any]:
    """Return the whole run, each figure with every value that it was made from."""
    rows = [_figure(figure) for figure in figures]
    return {**run, "figures": rows, "failures": dict(failures)}


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "what": figure.what,
        "unit": figure.unit,
        "more_is_better": figure.more_is_better,
        "ours": _values(figure.our_values),
        "peer": figure.peer,
        "theirs": _values(figure.their_values) if figure.their_values else None,
        "ratio": figure.ratio,
        "target": asdict(figure.target) if figure.target else None,
        "is_reached": figure.is_reached,
    }


def _values(values: Values) -> dict[str, Any]:
    return {"median": values.median, "p95": values.p95, "all": list(values.all)}
