"""Request one address without a pause over several connections, by wrk, which uses little CPU."""

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
    """The result of a load.

    ``rate`` is in answers a second, ``p50`` and ``p95`` of a response time in milliseconds.
    """

    rate: float
    p50: float
    p95: float


class Failed(Exception):
    """Some answers were errors, so their number means nothing."""


def ask(url: str, connections: int, seconds: float, headers: Mapping[str, str]) -> Load:
    """Send requests for ``seconds``; the rate is 0 if no answer came. Raises `Failed`."""
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
