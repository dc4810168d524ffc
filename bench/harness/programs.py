"""Measurements that are programs of their own: each in a process, with a data folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from tests.stack import PROJECT

WITHIN = 600


class Failed(Exception):
    """It ended badly; the text is the end of what it said."""


def said(module: str, *words: str, **environment: str) -> Any:
    """The JSON in the last line that it prints. Raises `Failed`."""
    with tempfile.TemporaryDirectory(prefix="bindery-bench-") as data:
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=PROJECT,
            env={**os.environ, "PORTAL_DATA": data, **environment},
            capture_output=True,
            text=True,
            timeout=WITHIN,
        )
    if done.returncode:
        raise Failed(done.stderr[-1000:])
    return json.loads(done.stdout.splitlines()[-1])
