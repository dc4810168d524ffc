"""A short data drill (`bench.datadrill`): people write files while what they use is killed."""

from __future__ import annotations

import pytest

from bench.datadrill.play import play
from bench.drill.plan import Plan
from bench.drill.stage import local
from tests.stack import Stack

PLAN = Plan(seed=6, minutes=0.5, people=2, pause=4)


@pytest.mark.stack
@pytest.mark.long
@pytest.mark.slow("people write, and the portal looks at other databases", seconds=900)
def test_a_data_drill_loses_no_files(stack: Stack) -> None:
    with local(like=stack) as stage:
        report = play(stage, PLAN)
    told = "\n".join(report.lines())
    assert not report.violations, told
    assert report.ledger.accepted["files written"], told
    assert report.ledger.killed, told
