"""Run programs of the drill inside the portal: with its settings, each in a process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from bench.drill.targets import Portal
from tests.stack import PROJECT

SECONDS = 90


class NoAnswer(Exception):
    """Such a program failed; the text is the end of its output."""


def run(stack: Portal, module: str, *words: str) -> Any:
    """Run the module and return the JSON that it prints. Raises `NoAnswer`."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=PROJECT,
        env={**stack.environment, "DJANGO_SETTINGS_MODULE": "portal.settings"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode:
        raise NoAnswer(done.stderr[-2000:])
    return json.loads(done.stdout)
