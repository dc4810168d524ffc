"""The base of environments, JupyterLab, is made once, ahead of the first build if possible."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.local import LocalBackend, health, keeper_processes
from sessions.backends.local.keeper import bases, status
from sessions.backends.local.keeper.files import remove
from sessions.errors import TemporaryError
from tests import scratch
from tests.backends.waiting import finished, log, until
from tests.warm import warm_up


@pytest.fixture
def new(own) -> LocalBackend:
    """A back end with a data folder of its own that has downloads, but no base."""
    for base in own.folders.cache.glob("base-*"):
        remove(base)
    return own


@pytest.fixture
def own(settings, warm_data: Path, git) -> Iterator[LocalBackend]:
    """A back end with a data folder of its own, with a base that nobody else uses."""
    folder = scratch.folder()
    warm_up(folder, warm_data)
    settings.PORTAL_DATA, settings.PORTAL_TRUSTED_GIT_HOSTS = folder, [git.host]
    backend = LocalBackend()
    backend.prepare()
    yield backend
    keeper_processes.kill(backend.folders.base_keeper, keeper_processes.CANCEL)
    for report in backend.builds():
        backend.forget_build(report.id)
    until(lambda: not any(keeper_processes.running_folders(backend.folders.run)), 20)
    until(lambda: not keeper_processes.is_alive(backend.folders.base_keeper), 20)
    remove(folder)


@pytest.mark.slow("JupyterLab is installed", seconds=150)
def test_a_build_waits_for_the_base_that_is_made_ahead(new, order):
    new.warm_up()
    first = status.read_holder(new.folders.base_keeper)
    new.warm_up()  # of two starts of the portal
    assert status.read_holder(new.folders.base_keeper) == first
    spec = order({"index.ipynb": "{}"})
    new.ensure_build(spec)
    assert [report.id for report in new.builds()] == [spec.id]
    assert finished(new, spec).code == ""
    text = log(new, spec.id)
    assert "── Waiting for JupyterLab, which is being installed once for all\n" in text
    assert "JupyterLab from an earlier build\n" in text
    assert len(list(new.folders.cache.glob("base-*"))) == 1
    until(lambda: not keeper_processes.is_alive(new.folders.base_keeper))
    assert status.read(new.folders.base_keeper).state == status.ENDED
    assert [path.name for path in new.folders.cache.glob(".base.*")] == []
    new.warm_up()
    assert not new.folders.base_keeper.exists()


@pytest.mark.long
def test_a_build_makes_the_base_if_its_maker_is_killed(new, order):
    new.warm_up()
    spec = order({"index.ipynb": "{}"})
    new.ensure_build(spec)
    until(lambda: "Waiting for JupyterLab" in log(new, spec.id), 60)
    keeper_processes.kill(new.folders.base_keeper, keeper_processes.CANCEL)
    assert finished(new, spec).code == ""
    assert "── Installing JupyterLab\n" in log(new, spec.id)


@pytest.mark.slow("an index is asked", seconds=150)
def test_a_misspelt_package_fails_the_build_before_the_base_is_made(new, order):
    spec = order(
        {"binder/requirements.txt": "idna\n-r more.txt\n", "binder/more.txt": "\nNumpyy_x\n"}
    )
    new.ensure_build(spec)
    report = finished(new, spec)
    assert report.code == "build.requirements"
    named = (
        "The package index has no package named numpyy-x, which line 2 of binder/more.txt asks for."
    )
    assert named in report.message
    assert "JupyterLab" not in log(new, spec.id)


PLANT = """
import os, setuptools
for folder in ("/opt/env", "/opt/env/bin", "/tmp", "/var/cache/uv", os.getcwd()):
    try:
        open(f"{folder}/planted", "w").write("")
        print("planted in", folder)
    except OSError as error:
        print("not planted in", folder, error)
setuptools.setup(name="planter", version="1", py_modules=[])
"""


@pytest.mark.slow("JupyterLab is installed", seconds=150)
def test_code_that_runs_before_the_base_is_made_leaves_nothing_in_it(new, order):
    spec = order({"binder/requirements.txt": "-e .\n", "setup.py": PLANT, "binder/setup.py": PLANT})
    new.ensure_build(spec)
    finished(new, spec)
    assert "planted in /tmp" in log(new, spec.id)
    (base,) = new.folders.cache.glob("base-*")
    assert list(base.rglob("planted*")) == []
    assert list(new.folders.cache.glob("planted")) == []


def test_no_base_is_made_where_builds_cannot_work(new):
    remove(new.folders.toolboxes)
    new.folders.toolboxes.mkdir()
    new._problems = None
    with pytest.raises(TemporaryError):
        new.warm_up()
    assert not new.folders.base_keeper.exists()


@pytest.mark.slow("two builds", seconds=60)
def test_a_damaged_base_is_made_anew_and_no_repository_is_blamed(own, order):
    def built(spec):
        own.ensure_build(spec)
        report = finished(own, spec)
        own.forget_build(spec.id)
        until(lambda: not keeper_processes.is_alive(own.folders.keeper("build", spec.id)), 20)
        return report.code

    (base,) = own.folders.cache.glob("base-*")
    (victim,) = base.glob("lib/python*/site-packages/jupyter_server/serverapp.py")
    os.truncate(victim, 0)
    plain = order({"index.ipynb": "{}"})
    assert built(plain) == ""  # nothing is started in a copy of the base
    spec = order({"postBuild": "#!/bin/sh\n"})
    assert built(spec) == "build.base-damaged"
    assert not base.exists()
    (problem,) = (each for each in health.examine(own.folders) if each.id == "local.base-damaged")
    assert "jupyter_server/serverapp.py has 0 bytes instead of" in problem.message
    assert own.is_damaged(plain.image)  # although there is no damaged base any more
    own.ensure_build(spec)
    until(lambda: "── Installing JupyterLab\n" in log(own, spec.id), 60)


@pytest.fixture
def kept() -> Iterator[Path]:
    """A small base with the list of its files."""
    folder = scratch.folder()
    kept = folder / "base-3.12-0"
    (kept / "lib/a").mkdir(parents=True)
    for name in ("lib/a/one.so", "lib/two.py", ".unsynced"):
        (kept / name).write_text("content")
    (kept / "lib64").symlink_to("lib")
    bases.record(kept, kept)
    yield kept
    remove(folder)


def cut(path: Path) -> None:
    times = path.stat()
    os.truncate(path, 3)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def overwrite(path: Path) -> None:
    path.write_text("CONTENT")
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (Path.unlink, "is missing"),
        (cut, "has 3 bytes instead of 7"),
        (overwrite, "has 7 bytes instead of 7, or another time"),
        (lambda path: remove(path.parent), "is missing"),
        (lambda path: (path.unlink(), path.mkdir()), "is missing"),
        (lambda path: (path.unlink(), path.symlink_to("two.py")), "has 0 bytes instead of 7"),
        (lambda path: remove(path.parents[3] / ".base-3.12-0.files"), "the list of its files"),
        (lambda path: (path.parents[3] / ".base-3.12-0.files").write_text("[1"), "the list"),
        (lambda path: (path.parents[3] / ".base-3.12-0.files").write_text("[]"), "the list"),
    ],
)
def test_a_damaged_base_is_set_aside_with_its_files(kept, damage, said):
    began = time.time() - 1
    damage(kept / "lib/a/one.so")
    assert bases.set_aside_if_damaged(kept, began)
    ((aside, found),) = bases.damaged_bases(kept.parent)
    assert not kept.exists()
    assert (aside / "lib/two.py").read_text() == "content"
    assert said in found[0]
    assert bases.set_aside_if_damaged(kept, began)  # of two builds that failed
    assert not bases.set_aside_if_damaged(kept, time.time() + 1)  # it was made anew before


def test_a_base_that_is_whole_stays_whatever_was_added_to_it(kept):
    (kept / ".unsynced").unlink()
    (kept / "lib/more.pyc").touch()
    assert not bases.set_aside_if_damaged(kept, 0)
    assert bases.is_usable(kept)
    remove(kept)
    assert not bases.set_aside_if_damaged(kept, 0)


def test_a_base_of_an_older_portal_is_made_anew(kept):
    (kept.parent / ".base-3.12-0.files").unlink()
    assert not bases.is_usable(kept)
