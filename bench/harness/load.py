"""Asking one address without a pause over several connections, by wrk, which needs little of the
machine for itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
PATIENCE = 30


@dataclass(frozen=True)
class Load:
    """``rate`` is in answers a second, ``p50`` and ``p95`` of an answer's time in milliseconds."""

    rate: float
    p50: float
    p95: float


class Failed(Exception):
    """Not every answer was a good one, so how many there were says nothing."""


def ask(url: str, connections: int, seconds: float, headers: Mapping[str, str]) -> Load:
    """Ask for so long; a rate of 0 where no answer came in that time. Raises `Failed`."""
    # wrk counts whole seconds only.
    words = ["wrk", "--threads", "1", "--connections", str(connections)]
    words += ["--duration", f"{max(1, round(seconds))}s", "--timeout", "20s"]
    words += ["--script", str(SCRIPT)]
    for name, value in headers.items():
        words += ["--header", f"{name}: {value}"]
    done = subprocess.run(
        [*words, url], capture_output=True, text=True, timeout=seconds + PATIENCE, check=True
    )
    said = json.loads(done.stdout.splitlines()[-1])
    if said["refused"] or said["broken"]:
        raise Failed(f"{url}: {done.stdout.splitlines()[-1]}")
    return Load(said["requests"] / said["microseconds"] * 1e6, said["p50"] / 1e3, said["p95"] / 1e3)
