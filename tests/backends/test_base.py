"""The base of environments, JupyterLab, is made once, ahead of the first build if possible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.local import LocalBackend, keeper_processes
from sessions.backends.local.keeper import status
from sessions.backends.local.keeper.files import remove
from sessions.errors import TemporaryError
from tests import scratch
from tests.backends.waiting import finished, log, until
from tests.warm import warm_up


@pytest.fixture
def new(settings, warm_data: Path, git) -> Iterator[LocalBackend]:
    """A back end with a data folder of its own that has downloads, but no base."""
    folder = scratch.folder()
    warm_up(folder, warm_data)
    for base in (folder / "cache").glob("base-*"):
        remove(base)
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


def test_no_base_is_made_where_builds_cannot_work(new):
    remove(new.folders.toolboxes)
    new.folders.toolboxes.mkdir()
    new._problems = None
    with pytest.raises(TemporaryError):
        new.warm_up()
    assert not new.folders.base_keeper.exists()
