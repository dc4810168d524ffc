"""What a helper pod does with a project's folder while nothing of it runs; runs there by itself.

    python3 … measure NAME
    python3 … drop NAME

The last words are one line of JSON: ``size`` in bytes (None where it is not known in time), or
``code`` and ``path`` of what stands in the way. Neighbours: `way`, `tree`, and `errands`, which
reads them.
"""

from __future__ import annotations

import json
import os
from typing import Any

from . import tree, way

VOLUME = "/run/bindery/volume"
LAST_WORDS = "/dev/termination-log"
BLOCKED = "spawn.home-blocked"
FAILED = "home.failed"
SECONDS = 480.0
"""For measuring: less than the pod has."""


def main(words: list[str], volume: str = VOLUME, last_words: str = LAST_WORDS) -> None:
    """Do what is asked for and say how it went. Done twice, it is done."""
    task, name = words
    told: dict[str, Any]
    try:
        told = {"measure": measured, "drop": dropped}[task](volume, name)
    except way.Blocked as blocked:
        told = {"code": BLOCKED, "path": blocked.path}
    except OSError as error:
        told = {"code": FAILED, "why": str(error)[:300]}
    with open(last_words, "w", encoding="ascii") as file:
        file.write(json.dumps(told))


def measured(volume: str, name: str) -> dict[str, Any]:
    """Return what the project's folder takes; nothing where there is none."""
    try:
        folder = way.opened(volume, (*way.HOMES, name), make=False)
    except FileNotFoundError:
        return {"size": 0}
    return {"size": tree.size(folder, SECONDS)}


def dropped(volume: str, name: str) -> dict[str, Any]:
    """Remove the project's folder and what is noted of it, and nothing else."""
    for parts in (way.HOMES, way.RECORDS):
        try:
            folder = way.opened(volume, parts, make=False)
        except FileNotFoundError:
            continue
        tree.remove(folder, name)
        os.close(folder)
    return {"size": 0}
