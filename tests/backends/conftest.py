"""Fixtures: a local back end with a data folder of its own, and a git server to build from."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quotas.resources import Resources
from sessions.backends import BuildSpec, ServerSpec
from sessions.backends.local import LocalBackend, keeper_processes
from sessions.backends.local.folders import BUILD, SERVER, Folders
from sessions.backends.local.keeper import cgroups
from sessions.backends.local.keeper.files import remove
from sessions.backends.local.keeper.removal import TRASH
from tests import scratch
from tests.backends.inside import Inside, image
from tests.backends.waiting import until
from tests.githttp import GitServer
from tests.warm import warm_up

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def git(git_server: GitServer) -> GitServer:
    return git_server


@pytest.fixture(scope="session")
def data(warm_data: Path) -> Iterator[Path]:
    """One data folder for all tests, because the first build in a new one takes the longest."""
    folder = scratch.folder()
    warm_up(folder, warm_data)
    yield folder
    base_keeper = Folders(folder).base_keeper
    keeper_processes.kill(base_keeper, keeper_processes.CANCEL)
    until(lambda: not keeper_processes.is_alive(base_keeper), 20)
    cgroups.sweep(folder / "run", ())
    until(lambda: not any(folder.glob(f"*/{TRASH}")), 60)  # a process of its own empties it
    remove(folder)


@pytest.fixture(scope="session")
def images() -> dict[str, BuildSpec]:
    """Specs of environments that were built in the data folder and are shared by many tests."""
    return {}


@pytest.fixture
def backend(
    settings, data: Path, git: GitServer, images: dict[str, BuildSpec]
) -> Iterator[LocalBackend]:
    settings.PORTAL_DATA = data
    settings.PORTAL_TRUSTED_GIT_HOSTS = [git.host]
    backend = LocalBackend()
    backend.prepare()
    yield backend
    for report in backend.builds():
        backend.forget_build(report.id)
    for server in backend.servers():
        backend.remove_server(server.id)
        backend.forget_server(server.id)
    until(lambda: not backend.servers() and not _kept(backend), 20)
    shared = {spec.image for spec in images.values()}
    for kept in backend.images():
        if kept.name not in shared:  # each takes 200 MB of memory
            backend.remove_image(kept.name)


def _kept(backend: LocalBackend) -> list[str]:
    """Return the run folders that are left; ended builds are reported once and then forgotten."""
    backend.builds()
    names = [path.name for path in backend.folders.run.iterdir()]
    return [name for name in names if name.startswith((BUILD, SERVER))]


@pytest.fixture
def order(git: GitServer) -> Callable[..., BuildSpec]:
    """Return a function that makes a repository of files, and the spec of its build."""

    def make(files: dict[str, str], *, runs: bool = True) -> BuildSpec:
        number = next(_numbers)
        name = f"ada/repository-{number}"
        url = git.repository(name, files)
        return BuildSpec(number, url, git.commit(name), "main", f"image-{number}")

    return make


@pytest.fixture
def wish() -> Callable[..., ServerSpec]:
    """Return a function that makes the spec of a notebook for a built image."""

    def make(spec: BuildSpec, owner: str = "ada", memory: float = 2.0) -> ServerSpec:
        number = next(_numbers)
        return ServerSpec(
            id=number,
            name=f"{owner}-project-{number}",
            owner=owner,
            volume=owner,
            owner_id={"ada": 1, "bob": 2}[owner],
            image=spec.image,
            commit=spec.commit,
            url=spec.url,
            token=f"token-{secrets.token_hex(8)}",
            resources=Resources(1, 2, 1, memory),
        )

    return make


@pytest.fixture
def inside(
    backend: LocalBackend,
    order: Callable[..., BuildSpec],
    wish: Callable[..., ServerSpec],
    images: dict[str, BuildSpec],
) -> Inside:
    return Inside(backend, image(backend, order, images), wish)
