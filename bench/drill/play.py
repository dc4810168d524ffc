"""Run one drill from its beginning to its report."""

from __future__ import annotations

import time

from bench.drill import inside, repositories
from bench.drill.inspection import inspect
from bench.drill.killer import Killer
from bench.drill.ledger import Ledger
from bench.drill.people import Person
from bench.drill.plan import Plan
from bench.drill.report import Report
from bench.drill.requests import Asker
from bench.drill.stage import Stage
from tests.stack import Api


def play(stage: Stage, plan: Plan) -> Report:
    """Let people act and parts die for as long as the plan says; then check everything."""
    ledger = Ledger()
    until = time.monotonic() + plan.minutes * 60
    people = _people(stage, plan, ledger, until)
    for person in people:
        person.start()
    Killer(stage.targets, ledger, plan).work(until)
    for person in people:
        person.join()  # what they still ask for, they ask for as long as their patience lasts
    try:
        return Report(plan, ledger, inspect(stage, people, plan.settling))
    finally:
        for person in people:
            person.asker.api.http.close()


def _people(stage: Stage, plan: Plan, ledger: Ledger, until: float) -> list[Person]:
    urls = [stage.git.url(name) for name in repositories.publish(stage.git)]
    names = [f"person{number}" for number in range(plan.people)]
    tokens: dict[str, str] = inside.run(stage.stack, "bench.drill.accounts", *names)
    return [
        Person(
            name,
            Asker(
                Api(stage.stack, token), ledger, plan.chance(f"{name} waits"), until + plan.settling
            ),
            urls,
            plan,
            until,
        )
        for name, token in tokens.items()
    ]
