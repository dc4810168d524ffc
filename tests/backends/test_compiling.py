"""Packages are compiled when their environment is finished, and nobody waits for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessions.backends import BuildSpec
from sessions.backends.local import LocalBackend, keeper_processes
from sessions.backends.local.keeper.files import UNCOMPILED_MARK, UNSYNCED_MARK
from tests.backends.waiting import built, until

pytestmark = pytest.mark.slow("an environment is built", seconds=100)

TRICKS = """#!/opt/env/bin/python
import pathlib, site
packages = pathlib.Path("/opt/env/lib").glob("python3.*/site-packages").__next__()
(packages / "mine.py").write_text("answer = 42")
(packages / "mine.pth").write_text("import os; os.close(os.open('/opt/env/ran', os.O_CREAT))")
(packages / "out.py").symlink_to("/etc/passwd")
pathlib.Path("/opt/env/bin/python3").unlink()
pathlib.Path("/opt/env/bin/python3").write_text("#!/bin/sh\\ntouch /opt/env/ran\\n")
pathlib.Path("/opt/env/bin/python3").chmod(0o755)
pathlib.Path("/opt/env/ran").unlink(missing_ok=True)
"""


def idle(backend: LocalBackend) -> None:
    """Return when nothing is being compiled."""
    until(lambda: not keeper_processes.is_alive(backend.folders.base_keeper), 60)


@pytest.fixture
def finished_one(backend, order) -> BuildSpec:
    return built(backend, order({"postBuild": TRICKS}))


def compiled(backend: LocalBackend, spec: BuildSpec) -> list[Path]:
    return list(backend.folders.environment(spec.image).glob("env/lib/*/*/__pycache__/mine.*"))


def test_an_environment_is_compiled_after_it_is_finished_and_runs_nothing(backend, finished_one):
    environment = backend.folders.environment(finished_one.image)
    assert compiled(backend, finished_one) == []
    assert (environment / UNCOMPILED_MARK).exists()
    backend.sweep()
    assert (environment / UNSYNCED_MARK).exists()  # a power cut may still damage it
    idle(backend)
    (found,) = compiled(backend, finished_one)
    assert found.stat().st_mode & 0o777 == 0o644
    assert not (environment / UNCOMPILED_MARK).exists()
    assert not (environment / "env/ran").exists()
    backend.sweep()
    assert not (environment / UNSYNCED_MARK).exists()


def test_a_killed_compiler_is_replaced_and_its_environment_stays_right(backend, finished_one):
    backend.sweep()
    keeper_processes.kill(backend.folders.base_keeper, keeper_processes.CANCEL)
    idle(backend)
    assert backend.has_image(finished_one.image)
    backend.sweep()
    idle(backend)
    assert len(compiled(backend, finished_one)) == 1
