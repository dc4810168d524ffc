"""``manage.py watch``: observe the back end until it is stopped."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal.health import operator_alerts
from sessions.watch import loop


class Command(BaseCommand):
    """The command that observes the back end until it is stopped."""

    help = "Follow the back end's builds and notebooks, and store what happens to them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--alive", type=Path, help="a file to touch every few seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with contextlib.suppress(KeyboardInterrupt):  # stops following files, on any signal
            file: Path | None = options["alive"]
            loop.run(operator_alerts.send_alerts, file.touch if file else bool)
