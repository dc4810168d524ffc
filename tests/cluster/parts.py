"""Kill the cluster's own parts, and bring them back.

``CLUSTER_TOOL`` names a folder whose program ``up`` restarts the missing parts of the cluster; the
parts' pids are in ``DC_RUN``, which its file ``env`` sets.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.stack import eventually


def kill(part: str) -> None:
    pid = int((_pids() / f"{part}.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)


def bring_back() -> None:
    up = _tool() / "up"
    eventually(lambda: _works(up), within=300, what="the cluster")


def _works(up: Path) -> bool:
    """Return whether ``up`` succeeded; it is run again if it met a part that was still starting."""
    done = subprocess.run([up], timeout=180, capture_output=True)
    return done.returncode == 0


def _tool() -> Path:
    return Path(os.environ["CLUSTER_TOOL"])


def _pids() -> Path:
    if "DC_RUN" in os.environ:
        return Path(os.environ["DC_RUN"])
    ask = ["bash", "-c", '. "$CLUSTER_TOOL/env" && echo "$DC_RUN"']
    return Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
