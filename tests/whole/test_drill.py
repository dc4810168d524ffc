"""A short drill (`bench.drill`): people at work while web, worker and watch are killed."""

from __future__ import annotations

import pytest

from bench.drill.plan import Plan
from bench.drill.play import play
from bench.drill.stage import local
from tests.stack import Stack

PLAN = Plan(seed=6, minutes=0.5, people=3, launches=8, pause=3)


@pytest.mark.stack
@pytest.mark.long
@pytest.mark.slow("people work for half a minute while parts are killed", seconds=300)
def test_a_drill_finds_no_violations_although_parts_are_killed(stack: Stack) -> None:
    with local(sqlite=True, like=stack) as stage:
        report = play(stage, PLAN)
    told = "\n".join(report.lines())
    assert not report.violations, told
    assert report.ledger.accepted["launch"], told
    assert report.ledger.killed, told
