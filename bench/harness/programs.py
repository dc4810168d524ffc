"""Run measurements that are separate programs: each in a process, with its own data folder."""

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
    """The program failed; the text is the end of its output."""


def said(module: str, *words: str, **environment: str) -> Any:
    """Run the module and return the JSON in the last line that it prints. Raises `Failed`."""
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
