"""Describe the machine of a run: a figure means little without it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from bench import peers
from bench.upstream import NGINX

OURS = ("django", "uvicorn", "aiohttp", "django-q2", "channels")
PROGRAMS = {"wrk": ("wrk", "--version"), "nginx": (NGINX, "-v")}


def machine() -> dict[str, str | int | float]:
    """Return processor, cores, memory in GB (10⁹ bytes), system."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gb": round(memory / 1e9, 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
    }


def versions() -> Mapping[str, str]:
    """Return the versions of what was measured, and of what measured it."""
    found = {name: version(name) for name in OURS}
    return found | peers.versions() | {name: _of(*words) for name, words in PROGRAMS.items()}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _of(*words: str) -> str:
    """Return the first version number that a program prints; some print it to the wrong stream."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=10)
    except FileNotFoundError:
        return ""
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else ""
