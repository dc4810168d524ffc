"""Cold builds, with nothing cached, beside what a person would type.

That is an environment with JupyterLab and the same packages by plain pip.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path

from bench.harness.figures import Figure
from bench.harness.ground import Ground
from bench.harness.turns import in_turn
from bench.portals.whole import Portal
from tests.stack import PROJECT, Api

ENVIRONMENTS = {"small": ["cowsay"], "scientific": ["matplotlib", "numpy", "pandas", "scipy"]}
PERSON = "builder"
NOTEBOOK = PROJECT / "sessions/backends/local/notebook.txt"
WITHIN = 600


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield the time of a cold build for each environment."""
    if not ground.plan.builds:
        return
    portal = ground.portal
    portal.people([PERSON])
    for name, packages in ENVIRONMENTS.items():
        sides = {
            "ours": partial(_ours, portal, name, packages, count(1)),
            "theirs": partial(_theirs, packages),
        }
        given = in_turn(sides, ground.plan.builds, ground.plan.chance(f"builds {name}"))
        what = f"cold build, {name} environment"
        yield Figure(what, "s", given["ours"], "pip", given["theirs"])


def _ours(portal: Portal, name: str, packages: list[str], numbers: Iterator[int]) -> float:
    """Return the seconds from the launch to the finished environment."""
    files = {"requirements.txt": "\n".join(packages), "README.md": str(next(numbers))}
    url = portal.git.repository(f"bench/{name}", files)
    for kept in (portal.stack.data / "cache").iterdir():
        shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
    with Api(portal.stack, portal.tokens[PERSON]) as api:
        project = api.launch(url)
        api.until(project, "spawning", "ready", within=WITHIN)
        created = datetime.fromisoformat(api.project(project)["created"])
        built = next(event["at"] for event in api.story(project) if event["phase"] == "built")
        api.delete(project)
    return (datetime.fromisoformat(built) - created).total_seconds()


def _theirs(packages: list[str]) -> float:
    with tempfile.TemporaryDirectory(prefix="bindery-bench-pip-") as folder:
        began = time.monotonic()
        _run(sys.executable, "-m", "venv", folder)
        pip = [str(Path(folder, "bin/python")), "-m", "pip", "install", "--quiet"]
        pip += ["--no-cache-dir", "--disable-pip-version-check"]
        _run(*pip, "--no-deps", "--requirement", str(NOTEBOOK))  # it names all that it needs
        _run(*pip, *packages)
        return time.monotonic() - began


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=WITHIN)
    if done.returncode:
        raise RuntimeError(f"{words[-1]}: {done.stderr[-500:]}")
