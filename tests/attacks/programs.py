"""Attempts that are small programs, run by `inside` in a notebook or in a step of a build."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.attacks.attempt import Attempt, Verdict
from tests.attacks.cast import World
from tests.attacks.inside import MARK, OVER
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import PROJECT, Api, eventually

INSIDE = Path(__file__).with_name("inside.py")
NOTEBOOK, BUILD = "notebook", "build"
EVERYWHERE = frozenset({NOTEBOOK, BUILD})


@dataclass(frozen=True)
class Program(Attempt):
    """An attempt as a program. ``program`` is the body of a function, see `inside`; it ends within
    ``seconds``. ``places`` are the sandboxes in which it is tried.
    """

    program: str
    seconds: float = field(default=10, kw_only=True)
    places: frozenset[str] = field(default=EVERYWHERE, kw_only=True)

    def verdict(self, said: Mapping[str, Any]) -> Verdict:
        """Return the verdict on what `inside` reported for this attempt."""
        if "error" in said:
            return Verdict("failed", said["error"])
        return self.judge(said.get("got"), said.get("why", ""))


def order(programs: Iterable[Program], world: World) -> str:
    """Return the order that `inside` reads."""
    attempts = [
        {"name": str(each), "program": each.program, "seconds": each.seconds} for each in programs
    ]
    needles = [each[::-1] for each in world.secrets]
    return json.dumps({"attempts": attempts, "facts": facts(world), "needles": needles})


def facts(world: World) -> dict[str, Any]:
    """Return what programs know about the portal, as an attacker might."""
    words = ("git_host", "redirecting", "abstract", "unix")
    return {
        **{name: world.words[name] for name in words},
        "carol_host": f"carol-project.localhost:{world.stack.port}",
        "code": str(PROJECT),
        "data": str(world.stack.data),
        "machine": _address(),
        "machine_name": socket.gethostname(),
        "own_home": "alice-nfs-pvc",
        "port": world.stack.port,
    }


def _address() -> str:
    """Return the address from which this machine would reach the Internet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def verdicts(programs: Iterable[Program], output: str) -> dict[str, Verdict]:
    """Return the verdicts in the output of `inside`, by the attempts' names."""
    lines = [line.removeprefix(MARK) for line in output.splitlines() if line.startswith(MARK)]
    said = {each["name"]: each for each in map(json.loads, lines)}
    missing = {"error": f"no line about it in: {output[-2000:]}"}
    return {str(each): each.verdict(said.get(str(each), missing)) for each in programs}


def in_notebook(world: World, programs: list[Program]) -> dict[str, Verdict]:
    """Run the attempts one after the other in a kernel of alice's notebook."""
    code = (
        "import subprocess, sys\n"
        f"done = subprocess.run([sys.executable, '-c', {INSIDE.read_text()!r}],"
        f" input={order(programs, world)!r}, capture_output=True, text=True)\n"
        "print(done.stdout, done.stderr)"
    )
    within = 60 + sum(each.seconds for each in programs)
    with world.api("alice") as alice, Kernel(alice, world.words["alice_project"]) as kernel:
        return verdicts(programs, kernel.run(code, within))


def in_build(world: World, git: GitServer, programs: list[Program]) -> dict[str, Verdict]:
    """Run the attempts in one step of a build of alice's."""
    files = {
        "inside.py": INSIDE.read_text(),
        "order.json": order(programs, world),
        "postBuild": "#!/bin/sh\npython3 inside.py < order.json\n",
    }
    with world.api("alice") as alice:
        name = alice.launch(
            git.repository("alice/attacking-build", files, executable=["postBuild"])
        )
        within = (60 + sum(each.seconds for each in programs)) * world.stack.patience
        log = eventually(lambda: _whole_log(alice, name), within=within, what="the step's end")
        alice.delete(name)
    return verdicts(programs, log)


def _whole_log(api: Api, name: str) -> str:
    """Return the log once the attempts are over, without waiting for a build that they hold up."""
    log = "\n".join(api.log(name))
    is_over = OVER in log or api.project(name)["state"] in {"ready", "failed"}
    return log if is_over else ""
