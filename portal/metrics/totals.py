"""What has happened since the installation: all web processes tell the same, whenever begun.

`sessions.happenings` says what is counted, `sessions.tallies` counts it, within a minute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client.core import Metric

from sessions import happenings
from sessions.models import Tally

LABEL = re.compile(r'(\w+)="([^"]*)"')
INFINITE = "+Inf"


class Meaning(NamedTuple):
    """``beginnings``: labels that are there from the start, at zero, so that the first one counts
    as an increase."""

    kind: str
    help: str
    beginnings: tuple[str, ...] = ()


_OUTCOMES = tuple(f'outcome="{one}"' for one in ("ready", "failed", "cancelled"))
_ENDS = ('outcome="stopped"', 'outcome="failed"')
_BUILDS = tuple(f'outcome="{one}",pack="other"' for one in ("built", "failed", "cancelled"))

METRICS = {
    happenings.LAUNCHES: Meaning(
        "counter", "Launches that have ended with a running notebook, or without.", _OUTCOMES
    ),
    happenings.ENDS: Meaning(
        "counter", "Notebooks that ran and run no more: as they were told, or by a failure.", _ENDS
    ),
    happenings.BUILDS: Meaning(
        "counter", "Builds that have ended, by the kind of repository.", _BUILDS
    ),
    happenings.REMOVED: Meaning(
        "counter", "What the portal has removed by its own rules; projects are the culled ones."
    ),
    happenings.REMOVED_BYTES: Meaning(
        "counter", "Bytes of what the portal has removed by its own rules, where they are known."
    ),
    happenings.LAUNCH_SECONDS: Meaning(
        "histogram", "Time of a launch: waiting for its environment, and spawning its notebook."
    ),
    happenings.BUILD_SECONDS: Meaning(
        "histogram", "Time of a build from its start to its end; cancelled ones are left out."
    ),
}


def families() -> Iterator[Metric]:
    """All of them, from one query. Raises `django.db.DatabaseError`."""
    rows = {(row.metric, row.labels): row.value for row in Tally.objects.all()}
    for name, meaning in METRICS.items():
        family = Metric(f"bindery_{name}", meaning.help, meaning.kind)
        add = _add_counter if meaning.kind == "counter" else _add_histogram
        beginnings = {(name, labels): 0.0 for labels in meaning.beginnings}
        add(family, name, beginnings | rows)
        yield family


Rows = dict[tuple[str, str], float]


def _add_counter(family: Metric, name: str, rows: Rows) -> None:
    for labels, value in sorted(_of(rows, name).items()):
        family.add_sample(f"{family.name}_total", _read(labels), value)


def _add_histogram(family: Metric, name: str, rows: Rows) -> None:
    buckets = [(_read(labels), value) for labels, value in _of(rows, f"{name}_bucket").items()]
    sums = _of(rows, f"{name}_sum")
    for labels, count in sorted(_of(rows, f"{name}_count").items()):
        own = _read(labels)
        mine = [each for each in buckets if own.items() <= each[0].items()]
        for bucket, value in sorted(mine, key=lambda each: float(each[0]["le"])):
            family.add_sample(f"{family.name}_bucket", bucket, value)
        family.add_sample(f"{family.name}_bucket", {**own, "le": INFINITE}, count)
        family.add_sample(f"{family.name}_count", own, count)
        family.add_sample(f"{family.name}_sum", own, sums.get(labels, 0.0))


def _of(rows: Rows, metric: str) -> dict[str, float]:
    return {labels: value for (name, labels), value in rows.items() if name == metric}


def _read(labels: str) -> dict[str, str]:
    return dict(LABEL.findall(labels))
