"""Run a stranger's program in a real sandbox, without an environment or a notebook: takes 0.1 s.

A separate process starts it in the same way as a keeper does: it begins with the rights of the
portal, makes the cgroup, drops its rights and watches the sandbox as for a notebook.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sessions.backends.local import owners, toolbox
from sessions.backends.local.keeper import SEARCH_PATH, cgroups
from sessions.backends.local.keeper.removal import remove_stepwise
from tests import scratch
from tests.backends.waiting import until

SECRET = "no word that a program would have by chance: 5e0b6c"
ORDINARY = 12_345
"""The uid of a portal that does not run as root."""
STRANGER = 65_533
"""The uid under which a portal that runs as root starts sandboxes here."""
MEMORY = 300_000_000

_KEEPER = """
import asyncio, json, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from keeper import bounds, cgroups, privileges, program
from keeper.jobs import Bounds, Site
from keeper.sandbox import Bind, Sandbox
from keeper.status import JobFailed

given = json.loads(sys.argv[-1])
folder, limit = Path(given["folder"]), given["memory"]
group = cgroups.make(folder, limit, given["uid"]) if given["group"] else None
privileges.drop(given["uid"])
sandbox = Sandbox(
    hostname="bare", workdir="/", scratch=limit // 2, group=group,
    memory=str(folder / "memory") if given["namespaces"] else "",
    binds=[Bind(str(folder / "io"), "/run/bindery", True), Bind(given["program"], "/run/program")],
    site=Site(given["toolbox"]), bounds=Bounds(memory=limit, processes=200),
)
out_of_memory = JobFailed("out-of-memory", "")
memory = bounds.MemoryLimit(limit, out_of_memory, ("/tmp", "/dev/shm", "/run"), group)

async def watch(process):
    files = bounds.watch_open_files(process, JobFailed("too-many-files", ""))
    await bounds.run_until_first(memory.watch(process), files)

words = ["/usr/bin/python3", "/run/program"]
try:
    status = asyncio.run(program.run(sandbox, words, sys.stdout.buffer.write, watch))
    memory.check()
    end = str(status)
except JobFailed as failed:
    end = failed.code
sys.stdout.buffer.write(f"\\n{end} {group is not None}".encode())
"""


@dataclass(frozen=True)
class Outcome:
    """The program's output, and its status or why it was ended. ``grouped``: whether a memory
    cgroup counted what it used.
    """

    output: str
    end: str
    grouped: bool


def run(
    program: str,
    *,
    as_root: bool = True,
    group: bool = True,
    namespaces: bool = True,
    memory: int = MEMORY,
    ignored: str = "",
) -> Outcome:
    """Run the program in the sandbox of a portal that is root, or is not, on a machine that allows
    memory cgroups and namespaces, or does not. ``ignored``: signals that the portal ignores.
    """
    is_root = as_root and os.geteuid() == 0
    with _folder(STRANGER if is_root else _ordinary()) as top:
        (top / "program").write_text(program)
        (top / "program").chmod(0o644)
        given = {
            "folder": str(top / "run" / "server-1"), "program": str(top / "program"),
            "toolbox": str(top / "toolbox"), "uid": STRANGER if is_root else _ordinary(),
            "group": group, "memory": memory, "namespaces": namespaces,
        }  # fmt: skip
        words = ["env", f"--ignore-signal={ignored}"] if ignored else []
        words += [sys.executable, "-I", "-S", "-c", _KEEPER, *SEARCH_PATH, json.dumps(given)]
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=50,
            env={"PATH": os.environ["PATH"], "PORTAL_ADMIN_PASSWORD": SECRET},
            **({} if is_root else owners.as_user(_ordinary())),
        )  # fmt: skip
        until(lambda: cgroups.remove(top / "run/server-1"), 20)
    assert done.returncode == 0, done
    output, _newline, last = done.stdout.rpartition("\n")
    end, grouped = last.split()
    return Outcome(output, end, grouped == "True")


def _ordinary() -> int:
    return os.geteuid() or ORDINARY


@contextmanager
def _folder(uid: int) -> Iterator[Path]:
    """Make the folders that a sandbox needs: a toolbox, and a run folder whose way out leads
    nowhere.
    """
    top = scratch.folder()
    (top / "toolbox").mkdir()
    toolbox._share(top / "toolbox/share")
    served = top / "run/server-1/io"
    served.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as way_out:
        way_out.bind(str(served / "net"))
        way_out.listen()
        if os.geteuid() == 0:
            for path in (served, served.parent, served / "net"):
                shutil.chown(path, uid, uid)
        try:
            yield top
        finally:
            for _step in remove_stepwise(top):
                pass
