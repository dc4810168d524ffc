"""Fixtures: a namespace of the cluster, the back end on it, and a git server that its pods
reach.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quotas.resources import Resources
from sessions.backends import BuildSpec, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes.cluster import Cluster
from tests.backends.contract import Once
from tests.backends.waiting import built, until
from tests.cluster.kube import Kube, new_namespace, settings_for
from tests.githttp import Files, GitServer
from tests.replica import Replica
from tests.sshd import SshServer
from tests.stack import Stack, running
from tests.whole.conftest import ada, bob, cleared, git

__all__ = ["ada", "bob", "cleared", "git"]

FIRST_PORTAL = {"test_launches", "test_many"}
"""Modules with about half of the work that there is for whole portals."""

_numbers = itertools.count(1)
_process = os.environ.get("PYTEST_XDIST_WORKER", "alone")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the tests with a whole portal over two processes and no more, since a portal takes
    time to start.
    """
    for item in items:
        if item.get_closest_marker("cluster") and item.get_closest_marker("stack"):
            number = 1 if item.path.stem in FIRST_PORTAL else 2
            item.add_marker(pytest.mark.xdist_group(f"portal-{number}"))


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    with new_namespace() as kube:
        yield kube


class SteadyGitServer(GitServer):
    """A git server whose repositories get no further commit for the same files: a build takes
    long.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._held: dict[str, Files] = {}

    def repository(
        self, name: str, files: Files, *, branch: str = "main", executable: Iterable[str] = ()
    ) -> str:
        if self._held.get(name) == files:
            return self.url(name)
        self._held[name] = files
        return super().repository(name, files, branch=branch, executable=executable)


@pytest.fixture(scope="session")
def git_server(kube: Kube) -> Iterator[GitServer]:
    with SteadyGitServer(kube.own_address()) as server:
        yield server


@pytest.fixture(scope="session")
def replica(kube: Kube) -> Iterator[Replica]:
    with Replica(kube.own_address()) as replica:
        yield replica


@pytest.fixture(scope="session")
def ssh_server(kube: Kube) -> Iterator[SshServer]:
    with SshServer(kube.own_address()) as server:
        yield server


@pytest.fixture(scope="session")
def stack(
    git_server: GitServer,
    ssh_server: SshServer,
    replica: Replica,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """A whole portal with a namespace of its own, in which ada and bob have accounts."""
    small = {
        "PORTAL_CPU_REQUEST": "0.02",
        "PORTAL_CPU_LIMIT": "1",
        "PORTAL_MEMORY_REQUEST_GB": "0.1",
        "PORTAL_MEMORY_LIMIT_GB": "1",
    }
    with new_namespace() as kube:
        trusted = {
            "PORTAL_TRUSTED_GIT_HOSTS": f"{git_server.host},{ssh_server.host}",
            "PORTAL_KNOWN_HOSTS": ssh_server.host_key,
            "PORTAL_ARCHIVE_HOSTS": replica.setting,
        }
        environment = settings_for(kube, tmp_path_factory.mktemp("template"))
        with running(patience=3, **environment, **trusted, **small) as stack:
            stack.account("ada")
            stack.account("bob")
            yield stack


@pytest.fixture
def portal_kube(stack: Stack) -> Kube:
    """The namespace of the whole portal."""
    return Kube(stack.environment["PORTAL_NAMESPACE"])


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder if _process == "alone" else folder.parent


@pytest.fixture(scope="session")
def images() -> dict[str, BuildSpec]:
    """The shared images that `BackendContract` needs; see `plain`."""
    return {}


@pytest.fixture
def once(backend: KubernetesBackend, order: Callable[..., BuildSpec], common: Path) -> Once:
    """Return a function that builds files under a name, in the first process that needs them."""

    def build(name: str, files: dict[str, str]) -> BuildSpec:
        kept = common / f"image-{name}"
        with (common / f"image-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                kept.write_bytes(pickle.dumps(built(backend, order(files))))
        found: BuildSpec = pickle.loads(kept.read_bytes())
        return found

    return build


@pytest.fixture
def plain(once: Once) -> BuildSpec:
    """An image that many tests may use."""
    return once("plain", {"index.ipynb": "{}"})


@pytest.fixture
def backend(settings, kube: Kube, tmp_path: Path, testrun_uid: str) -> Iterator[KubernetesBackend]:
    """The back end in a namespace of this process; all processes of a run share its images."""
    for name, value in settings_for(kube, tmp_path).items():
        setattr(settings, name, value)
    settings.PORTAL_REGISTRY = f"{kube.registry}/bindery-test-{testrun_uid[:8]}"
    settings.PORTAL_REGISTRY_PLAIN_HTTP = True
    backend = KubernetesBackend()
    backend._cluster = Cluster(kube.namespace, settings.KUBECONFIG)
    backend.prepare()
    yield backend
    for report in backend.builds():
        backend.forget_build(report.id)
    for server in backend.servers():
        backend.remove_server(server.id)
        backend.forget_server(server.id)
    until(lambda: not backend.servers() and not kube.pods(), 60)


@pytest.fixture
def order(
    git_server: GitServer, backend: KubernetesBackend, kube: Kube
) -> Callable[..., BuildSpec]:
    """Return a function that makes a repository of files, and the spec of its build; if no notebook
    is started from it, on a smaller image, which is quicker.
    """
    with_jupyter = backend.site.python_image

    def make(files: dict[str, str], *, runs: bool = True) -> BuildSpec:
        base = with_jupyter if runs else f"{kube.registry}/debian:bookworm"
        backend.site = replace(backend.site, python_image=base)
        number = next(_numbers)
        name = f"ada/repository-{number}"
        url = git_server.repository(name, files)
        image = f"image-{_process}-{number}"
        return BuildSpec(number, url, git_server.commit(name), "main", image)

    return make


@pytest.fixture
def wish() -> Callable[..., ServerSpec]:
    """Return a function that makes the spec of a notebook for a built image."""

    def make(spec: BuildSpec, owner: str = "ada", gpu: int = 0, memory: float = 1.0) -> ServerSpec:
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
            token=f"token-{number}",
            resources=Resources(0.1, 1, 0.2, memory, gpu),
            volume_gb=1,
        )

    return make
