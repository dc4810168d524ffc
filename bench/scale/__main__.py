"""Measure a portal with many notebooks on simulated nodes: ``python -m bench.scale``.

It prints a line of JSON for each phase. Needs what `make test-cluster` needs, but no images.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import tempfile

import django


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    options = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    options.add_argument("--notebooks", type=int, default=1000, help="running in the end")
    options.add_argument("--rush", type=int, default=200, help="of them, launched in one minute")
    options.add_argument("--builds", type=int, default=50, help="of them, with a build, at once")
    options.add_argument("--minutes", type=float, default=15, help="when it has to end")
    asked = options.parse_args()
    logging.basicConfig(level=logging.ERROR)

    def too_long(number: int, frame: object) -> None:
        raise TimeoutError(f"not over after {asked.minutes:g} minutes")

    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.alarm(round(asked.minutes * 60))
    with tempfile.TemporaryDirectory(prefix="bindery-scale-") as own:
        os.environ["PORTAL_DATA"] = own
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        django.setup()
        from bench.scale.play import Play  # noqa: PLC0415 -- only there once Django is set up
        from bench.scale.stage import stage  # noqa: PLC0415

        with stage(asked.notebooks) as made:
            for phase in Play(made, asked.rush, asked.builds).phases():
                print(json.dumps(phase), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
