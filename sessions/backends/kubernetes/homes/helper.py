"""Measure or remove a project's folder while nothing of it runs; a program of helper pods.

    python3 … measure NAME
    python3 … drop NAME

The termination message is one line of JSON: ``size`` in bytes (None if it is not known in time), or
``code`` and ``path`` of the obstacle. Neighbours: `folders`, and `helper_pods`, which reads it.
"""

from __future__ import annotations

import json
import os
from typing import Any

from . import folders

VOLUME = "/run/bindery/volume"
TERMINATION_LOG = "/dev/termination-log"
BLOCKED = "spawn.home-blocked"
FAILED = "home.failed"
MEASURE_SECONDS = 480.0
"""Time limit for measuring; shorter than the pod's."""


def main(argv: list[str], volume: str = VOLUME, termination_log: str = TERMINATION_LOG) -> None:
    """Do the task and report the result. May be repeated."""
    task, name = argv
    message: dict[str, Any]
    try:
        message = {"measure": measure, "drop": drop}[task](volume, name)
    except folders.Blocked as blocked:
        message = {"code": BLOCKED, "path": blocked.path}
    except OSError as error:
        message = {"code": FAILED, "why": str(error)[:300]}
    with open(termination_log, "w", encoding="ascii") as file:
        file.write(json.dumps(message))


def measure(volume: str, name: str) -> dict[str, Any]:
    """Return the size of the project's folder, 0 if there is none."""
    try:
        folder = folders.open_path(volume, (*folders.HOMES, name), make=False)
    except FileNotFoundError:
        return {"size": 0}
    return {"size": folders.size(folder, MEASURE_SECONDS)}


def drop(volume: str, name: str) -> dict[str, Any]:
    """Remove the project's folder and its record, and nothing else."""
    for parts in (folders.HOMES, folders.RECORDS):
        try:
            folder = folders.open_path(volume, parts, make=False)
        except FileNotFoundError:
            continue
        folders.remove(folder, name)
        os.close(folder)
    return {"size": 0}
