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
    from bench.drill.stage import OwnStage, Stage

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
    options.add_argument("--pods", action="store_true", help="there, with the portal as pods, too")
    asked = options.parse_args()
    if asked.pods and asked.data:
        options.error("the data drill stops and starts its portal, which pods do not let it")
    logging.basicConfig(level=logging.ERROR)
    minutes, people = (20, 3) if asked.data else (10, 10)
    plan = Plan(
        asked.seed, asked.minutes or minutes, asked.people or people, asked.launches, asked.pause
    )
    print(f"seed {plan.seed}", flush=True)
    _bound(plan)
    with tempfile.TemporaryDirectory(prefix="bindery-drill-") as own:
        _set_up(own)
        return _play(plan, asked)


def _set_up(data: str) -> None:
    """Set up Django here, with a data folder apart from the portal's."""
    os.environ["PORTAL_DATA"] = data
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()


def _play(plan: Plan, asked: argparse.Namespace) -> int:
    import bench.datadrill.play  # noqa: PLC0415 -- only there once Django is set up
    import bench.drill.play  # noqa: PLC0415

    if asked.data:
        with _own_stage(asked) as own:
            report = bench.datadrill.play.play(own, plan)
    else:
        with _stage(asked) as stage:
            report = bench.drill.play.play(stage, plan)
    print("\n".join(report.lines()))
    return 1 if report.violations else 0


def _stage(asked: argparse.Namespace) -> AbstractContextManager[Stage]:
    if asked.pods:
        from bench.drill import inpods  # noqa: PLC0415 -- only who has a cluster needs it

        return inpods.stage()
    return _own_stage(asked)


def _own_stage(asked: argparse.Namespace) -> AbstractContextManager[OwnStage]:
    if asked.cluster:
        from bench.drill import onecluster  # noqa: PLC0415 -- only who has a cluster needs it

        return onecluster.stage()
    from bench.drill.stage import local  # noqa: PLC0415

    return local(sqlite=asked.sqlite)


def _bound(plan: Plan) -> None:
    """Raise an error when it takes too long, so that everything is cleaned up."""

    def too_long(number: int, frame: object) -> None:
        raise TimeoutError(f"not over after {plan.minutes + SPARE_MINUTES:g} minutes")

    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.alarm(round((plan.minutes + SPARE_MINUTES) * 60))


if __name__ == "__main__":
    sys.exit(main())
