"""Run one data drill from its beginning to its report."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.datadrill import inspection
from bench.datadrill.gate import Gate
from bench.datadrill.restoring import backup_and_restore
from bench.datadrill.scene import Scene
from bench.datadrill.slips import SLIPS, Slip
from bench.datadrill.writers import Writer
from bench.drill import inside
from bench.drill.inspection import Findings
from bench.drill.killer import Killer
from bench.drill.ledger import Ledger
from bench.drill.plan import Plan
from bench.drill.report import Report
from bench.drill.requests import Asker
from bench.drill.stage import OwnStage
from tests.stack import Api


def play(stage: OwnStage, plan: Plan, *, slips: Sequence[str] | None = None) -> Report:
    """Let people write while parts die and operators slip; then read everything again."""
    ledger, gate = Ledger(), Gate()
    until = time.monotonic() + plan.minutes * 60
    writers = _writers(stage, plan, ledger, gate, until)
    for writer in writers:
        writer.start()
    scene = Scene(stage, writers, gate, ledger, plan.chance("operator"))
    _work(scene, plan, until, _chosen(stage, slips))
    for writer in writers:
        writer.join()
    try:
        began = time.monotonic()
        wrong = list(inspection.lost(writers))
        return Report(plan, ledger, Findings(wrong, time.monotonic() - began))
    finally:
        for writer in writers:
            writer.asker.api.http.close()


def _work(scene: Scene, plan: Plan, until: float, slips: dict[str, Slip]) -> None:
    """Kill between slips and at the end; a slip takes as long as it takes."""
    targets = {**scene.stage.targets, "a notebook": scene.stage.notebooks}
    killer = Killer(targets, scene.ledger, plan)
    left = list(slips.items())
    while left:
        now = time.monotonic()
        killer.work(now + max(0.0, until - now) / (2 * len(left) + 1))
        name, slip = left.pop(0)
        print(f"slip: {name}", flush=True)
        scene.ledger.count(scene.ledger.killed, name)
        slip(scene)
    killer.work(until)


def _chosen(stage: OwnStage, names: Sequence[str] | None) -> dict[str, Slip]:
    every = dict(SLIPS)
    if stage.stack.environment.get("PORTAL_BACKEND", "local") == "local":
        every["backup restored"] = backup_and_restore
    return every if names is None else {name: every[name] for name in names}


def _writers(stage: OwnStage, plan: Plan, ledger: Ledger, gate: Gate, until: float) -> list[Writer]:
    names = [f"writer{number}" for number in range(plan.people)]
    tokens: dict[str, str] = inside.run(stage.stack, "bench.drill.accounts", *names)
    return [
        Writer(
            name,
            Asker(Api(stage.stack, token), ledger, plan.chance(f"{name} waits"), until + 600),
            stage.git,
            gate,
            plan,
            until,
        )
        for name, token in tokens.items()
    ]
