"""The figures of a drill, and its violations."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.drill.inspection import Findings
from bench.drill.ledger import Ledger
from bench.drill.plan import Plan


@dataclass(frozen=True)
class Report:
    """The result of a drill."""

    plan: Plan
    ledger: Ledger
    findings: Findings

    @property
    def violations(self) -> list[str]:
        """Return every broken promise, those of the ledger first; empty when all were kept."""
        return [*self.ledger.violations, *self.findings.wrong]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the report, for a person's screen."""
        plan, ledger = self.plan, self.ledger
        yield f"seed {plan.seed}, {plan.minutes:g} minutes, {plan.people} people"
        yield f"  done         {_counted(ledger.accepted)}"
        yield f"  refused      {_counted(ledger.refused)}"
        yield f"  asked again  {_counted(ledger.unanswered)}"
        yield f"  harm         {_counted(ledger.killed)}"
        for what, seconds in sorted(ledger.recovery.items()):
            yield f"  well again after {what}: {_spread(seconds)}"
        if self.findings.launches:
            yield f"  launch until ready: {_spread(self.findings.launches)}"
        yield f"  all at rest {self.findings.seconds:.0f} s after the last kill"
        for violation in self.violations:
            yield f"VIOLATION: {violation}"
        yield f"{len(self.violations)} violations"


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "nothing"


def _spread(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return ", ".join(f"{each:.1f} s" for each in seconds)
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    middle, most = statistics.median(seconds), max(seconds)
    return f"p50 {middle:.1f} s, p95 {p95:.1f} s, most {most:.1f} s ({len(seconds)} times)"
