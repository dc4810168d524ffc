"""Measure the portal's speed beside its peers': ``python -m bench`` prints a table and writes JSON.

Exit code 1 if a row could not be measured. `CONTRIBUTING.md` has the commands.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import django

from bench.harness import plan as plans
from bench.harness.figures import Figure
from bench.harness.page import described, put
from bench.harness.plan import Plan
from bench.harness.record import about, record
from bench.harness.table import table


def main() -> int:
    """Run the measurements that the command line asks for; return the exit code."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="under two minutes, rougher")
    options.add_argument("--only", default="", help="names of rows, separated by commas")
    options.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options.add_argument("--minutes", type=float, help="for a slow machine: when it has to end")
    options.add_argument("--json", type=Path, default=Path("data/bench.json"))
    options.add_argument("--page", type=Path, help="put the table into this page, too")
    asked = options.parse_args()
    logging.basicConfig(level=logging.ERROR)
    plan = (plans.quick if asked.quick else plans.full)(asked.seed)
    if asked.minutes:
        plan = dataclasses.replace(plan, minutes=asked.minutes)
    _bound(plan)
    with tempfile.TemporaryDirectory(prefix="bindery-bench-") as own:
        os.environ["PORTAL_DATA"] = own
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        django.setup()
        run = about(plan)
        figures, failures = _measure(
            plan, asked.only.split(",") if asked.only else (), asked.json.parent
        )
    for text in table(figures):
        print(text)
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(record(run, figures, failures), indent=1), encoding="utf-8")
    if asked.page:
        page = asked.page.read_text(encoding="utf-8")
        asked.page.write_text(put(page, described(run, figures)), encoding="utf-8")
    for name, why in failures.items():
        print(f"\nNot measured: {name}: {why}")
    return 1 if failures else 0


def _measure(plan: Plan, only: Sequence[str], folder: Path) -> tuple[list[Figure], dict[str, str]]:
    """Return all figures, and the reason for each row that failed or was not measured."""
    from bench.harness.ground import Ground  # noqa: PLC0415 -- only there once Django is set up
    from bench.rows import ROWS  # noqa: PLC0415

    figures: list[Figure] = []
    failures: dict[str, str] = {}
    until = time.monotonic() + plan.minutes * 60
    with ExitStack() as ends:
        ground = Ground(plan, ends, folder)
        for row in ROWS:
            if only and row.name not in only:
                continue
            if time.monotonic() > until:
                failures[row.name] = f"{plan.minutes:g} minutes were over"
                continue
            began = time.monotonic()
            try:
                figures += row.measure(ground)
            except Exception as error:  # noqa: BLE001 -- it is told, and the others go on
                failures[row.name] = repr(error)[:500]
            print(f"{row.name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        signal.alarm(0)  # what was started ends in its own time
    return figures, failures


def _bound(plan: Plan) -> None:
    """Set the time limit: the row being measured then fails, and no other one begins."""

    def too_long(number: int, frame: object) -> None:
        raise TimeoutError(f"{plan.minutes:g} minutes were over")

    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.alarm(round(plan.minutes * 60))


if __name__ == "__main__":
    sys.exit(main())
