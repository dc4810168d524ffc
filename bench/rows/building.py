"""Builds: the very first one, later ones, and cold ones, beside what a person would type.

Cold is without anything cached; that is compared to an environment with JupyterLab and the same
packages by plain pip. Later builds find JupyterLab made, and are compared to uv, which installs the
same packages into an environment that has it.
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

from uv import find_uv_bin

from bench.harness.figures import Figure, Target
from bench.harness.ground import Ground
from bench.harness.turns import in_turn
from bench.portals.whole import EMBEDDED, Portal
from tests.githttp import GitServer
from tests.stack import PROJECT, Api, Stack, started

LATER = {"small": (["cowsay"], 2.5), "pandas and matplotlib": (["matplotlib", "pandas"], 5.0)}
"""Packages, and the seconds in which the notebook is to be ready."""
FIRST = 15.0
ENVIRONMENTS = {"small": ["cowsay"], "scientific": ["matplotlib", "numpy", "pandas", "scipy"]}
PERSON = "builder"
NOTEBOOK = PROJECT / "sessions/backends/local/notebook.txt"
WITHIN = 600


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield the times of builds for each environment."""
    if not ground.plan.builds:
        return
    rounds = range(ground.plan.builds)
    yield Figure(
        "very first build, small environment, until ready", "s", [_first() for _ in rounds],
        target=Target("median", FIRST),
    )  # fmt: skip
    portal = ground.portal
    portal.people([PERSON])
    yield from _later(ground, portal)
    for name, packages in ENVIRONMENTS.items():
        sides = {
            "ours": partial(_ours, portal, name, packages, count(1)),
            "theirs": partial(_theirs, packages),
        }
        given = in_turn(sides, ground.plan.builds, ground.plan.chance(f"builds {name}"))
        what = f"cold build, {name} environment"
        yield Figure(what, "s", given["ours"], "pip", given["theirs"])


def _first() -> float:
    """Return the seconds from the launch to the notebook, on a portal that has just started."""
    with GitServer() as git:
        stack = Stack(1, data=None, inside=(), PORTAL_TRUSTED_GIT_HOSTS=git.host, **EMBEDDED)
        url = git.repository("bench/first", {"requirements.txt": "cowsay"})
        with started(stack), stack.api() as api:
            return _until_ready(api, url)


def _later(ground: Ground, portal: Portal) -> Iterator[Figure]:
    for name, (packages, within) in LATER.items():
        sides = {
            "ours": partial(_later_build, portal, "\n".join(packages), count(1)),
            "theirs": partial(_uv, packages),
        }
        given = in_turn(sides, ground.plan.later_builds, ground.plan.chance(f"later {name}"))
        what = f"later build, {name}, until ready"
        target = Target("median", within)
        yield Figure(what, "s", given["ours"], "uv", given["theirs"], target=target)


def _later_build(portal: Portal, requirements: str, numbers: Iterator[int]) -> float:
    """Return the seconds from the launch of a new commit to its notebook."""
    files = {"requirements.txt": requirements, "README.md": str(next(numbers))}
    url = portal.git.repository("bench/later", files)
    with Api(portal.stack, portal.tokens[PERSON]) as api:
        return _until_ready(api, url)


def _until_ready(api: Api, url: str) -> float:
    began = time.monotonic()
    project = api.launch(url)
    api.until(project, "ready", within=WITHIN)
    took = time.monotonic() - began
    api.delete(project)
    return took


def _uv(packages: list[str]) -> float:
    """Return the seconds in which uv installs the packages, beside JupyterLab and without cache."""
    with tempfile.TemporaryDirectory(prefix="bindery-bench-uv-") as folder:
        uv = find_uv_bin()
        _run(uv, "venv", "--quiet", "--python", sys.executable, folder)
        install = [uv, "pip", "install", "--quiet", "--python", str(Path(folder, "bin/python"))]
        _run(*install, "--no-deps", "--requirement", str(NOTEBOOK))
        began = time.monotonic()
        _run(*install, "--no-cache", *packages)
        return time.monotonic() - began


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
