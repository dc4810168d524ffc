"""Short drills (`bench.drill`) on the cluster, in which its API server and kubelet are killed as
well, or the portal's own pods.
"""

from __future__ import annotations

import pytest

import bench.datadrill.play
from bench.drill import inpods
from bench.drill.onecluster import stage
from bench.drill.plan import Plan
from bench.drill.play import play

PLAN = Plan(seed=6, minutes=1, people=3, launches=6, pause=5)


@pytest.mark.cluster
@pytest.mark.faults
@pytest.mark.long
@pytest.mark.slow("a drill of a minute, and all that it has begun comes to its end", seconds=600)
def test_a_drill_finds_no_violations_although_parts_are_killed() -> None:
    with stage() as place:
        report = play(place, PLAN)
    told = "\n".join(report.lines())
    assert not report.violations, told
    assert report.ledger.accepted["launch"], told
    assert report.ledger.killed, told


@pytest.mark.cluster
@pytest.mark.faults
@pytest.mark.long
@pytest.mark.slow("an installation, and a drill of three minutes comes to its end", seconds=1500)
def test_a_drill_finds_no_violations_although_pods_of_the_portal_are_deleted() -> None:
    with inpods.stage() as place:
        report = play(place, Plan(seed=7, minutes=3, people=3, launches=9, pause=10))
    told = "\n".join(report.lines())
    assert not report.violations, told
    assert report.ledger.accepted["launch"], told
    assert report.ledger.killed, told


@pytest.mark.cluster
@pytest.mark.faults
@pytest.mark.long
@pytest.mark.slow("people write, and the portal looks at other databases", seconds=1200)
def test_a_data_drill_loses_no_files() -> None:
    with stage() as place:
        report = bench.datadrill.play.play(place, PLAN)
    told = "\n".join(report.lines())
    assert not report.violations, told
    assert report.ledger.accepted["files written"], told
