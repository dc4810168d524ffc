"""Run a drill and print its figures: ``python -m bench.drill``; exit code 1 after a violation."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import sys
import tempfile
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import django

from bench.drill.plan import Plan

if TYPE_CHECKING:
    from bench.drill.stage import Stage

SPARE_MINUTES = 5


def main() -> int:
    """Run the drill that the command line asks for; return the exit code."""
    options = argparse.ArgumentParser(prog="python -m bench.drill", description=__doc__)
    options.add_argument("--data", action="store_true", help="people's files: bench.datadrill")
    options.add_argument("--minutes", type=float, help="10; of the data drill 20")
    options.add_argument("--people", type=int, help="10; of the data drill 3")
    options.add_argument("--launches", type=int, default=100, help="of all people together")
    options.add_argument("--pause", type=float, default=8, help="mean seconds between two kills")
    options.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options.add_argument("--sqlite", action="store_true", help="without a database to kill")
    options.add_argument("--cluster", action="store_true", help="on that of KUBECONFIG")
    asked = options.parse_args()
    logging.basicConfig(level=logging.ERROR)
    minutes, people = (20, 3) if asked.data else (10, 10)
    plan = Plan(
        asked.seed, asked.minutes or minutes, asked.people or people, asked.launches, asked.pause
    )
    print(f"seed {plan.seed}", flush=True)
    _bound(plan)
    with tempfile.TemporaryDirectory(prefix="bindery-drill-") as own:
        _set_up(own)
        return _play(plan, data=asked.data, cluster=asked.cluster, sqlite=asked.sqlite)


def _set_up(data: str) -> None:
    """Set up Django here, with a data folder apart from the portal's."""
    os.environ["PORTAL_DATA"] = data
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()


def _play(plan: Plan, *, data: bool, cluster: bool, sqlite: bool) -> int:
    import bench.datadrill.play  # noqa: PLC0415 -- only there once Django is set up
    import bench.drill.play  # noqa: PLC0415

    drill = bench.datadrill if data else bench.drill

    with _stage(cluster=cluster, sqlite=sqlite) as stage:
        report = drill.play.play(stage, plan)
    print("\n".join(report.lines()))
    return 1 if report.violations else 0


def _stage(*, cluster: bool, sqlite: bool) -> AbstractContextManager[Stage]:
    if cluster:
        from bench.drill import onecluster  # noqa: PLC0415 -- only who has a cluster needs it

        return onecluster.stage()
    from bench.drill.stage import local  # noqa: PLC0415

    return local(sqlite=sqlite)


def _bound(plan: Plan) -> None:
    """Raise an error when it takes too long, so that everything is cleaned up."""

    def too_long(number: int, frame: object) -> None:
        raise TimeoutError(f"not over after {plan.minutes + SPARE_MINUTES:g} minutes")

    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.alarm(round((plan.minutes + SPARE_MINUTES) * 60))


if __name__ == "__main__":
    sys.exit(main())
