"""Make what every local back end needs first, once for all processes of a run: the tools of builds
and the packages that every environment begins with.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from django.test import override_settings

from sessions.backends import BuildSpec
from sessions.backends.local import LocalBackend, keeper_processes
from sessions.backends.local.folders import Folders
from tests import scratch
from tests.backends.waiting import finished, log
from tests.githttp import GitServer
from tests.pauses import looked

SHARED = "BINDERY_TEST_SHARED"
"""Names the folder that all processes of a run share, if `bin/test` has made one."""
TRIES = 3
"""How often to try: the package index may be away for a moment, which should not fail a whole
run."""


def folder(git: GitServer) -> Path:
    """Return a data folder with only the tools and packages, from which `warm_up` copies."""
    data = Path(os.environ[SHARED]) if SHARED in os.environ else scratch.folder()
    data.mkdir(mode=0o711, parents=True, exist_ok=True)
    done = data / "made"
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _make(data, git)
            done.touch()
    return data


def warm_up(data: Path, there: Path, inside: Sequence[str] = ()) -> None:
    """Copy tools and packages from ``there`` into another data folder; ``inside`` is put before
    each command. A base that is being made there is waited for.
    """
    looked(lambda: not keeper_processes.is_alive(Folders(there).base_keeper), 120)
    both = [str(path) for name in ("toolbox", "cache") if (path := there / name).exists()]
    for words in (["mkdir", "-p"], ["cp", "-a", *both]):
        subprocess.run([*inside, *words, str(data)], check=True)


def _make(data: Path, git: GitServer) -> None:
    name = f"warm/{os.getpid()}"
    url = git.repository(name, {"index.ipynb": "{}"})
    with override_settings(PORTAL_DATA=data, PORTAL_TRUSTED_GIT_HOSTS=[git.host]):
        backend = LocalBackend()
        backend.prepare()
        for number in range(1, TRIES + 1):
            spec = BuildSpec(number, url, git.commit(name), "main", "first")
            backend.ensure_build(spec)
            report = finished(backend, spec)
            text = log(backend, number)
            backend.forget_build(number)
            if not report.code:
                return backend.remove_image(spec.image)
    raise AssertionError(f"{report}\n{text}")
