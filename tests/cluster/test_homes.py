"""Files that a person writes in /home/jovyan are there again, until the project is deleted
(D10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sessions.backends import BuildSpec, ServerReport, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from tests.backends.waiting import built, removed, settled, until
from tests.cluster.kube import Kube
from tests.cluster.test_storage import restored_by_hand
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.sshd import new_identity
from tests.stack import Api, Stack, eventually

Order = Callable[..., BuildSpec]
Wish = Callable[..., ServerSpec]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow("builds and notebooks of a cluster", seconds=300),
]


class Notebook:
    """One project's notebook, across several starts."""

    def __init__(self, backend: KubernetesBackend, kube: Kube, spec: ServerSpec) -> None:
        self.backend, self.kube, self.spec = backend, kube, spec

    def start(self, image: BuildSpec | None = None) -> ServerReport:
        """Start the notebook, with another image if one is given, and wait for it."""
        spec = replace(self.spec, id=self.spec.id + 1_000)
        self.spec = replace(spec, image=image.image, commit=image.commit) if image else spec
        self.backend.ensure_server(self.spec)
        return settled(self.backend, self.spec)

    def stop(self) -> None:
        removed(self.backend, self.spec.id)

    def run(self, command: str) -> str:
        """Run a command in the notebook's container and return its output."""
        return self.kube.run(f"{self.spec.name}-{self.spec.id}", command)

    def size(self) -> int | None:
        measured = self.backend.measure_project
        return until(lambda: measured(self.spec.name, self.spec.volume), 60).size

    def drop(self) -> None:
        until(lambda: self.backend.remove_project(self.spec.name, self.spec.volume), 60)


@pytest.fixture
def notebook(
    backend: KubernetesBackend, kube: Kube, plain: BuildSpec, wish: Wish
) -> Callable[..., Notebook]:
    """Return a function that makes a notebook of the shared image."""
    return lambda owner="ada": Notebook(backend, kube, wish(plain, owner=owner))


def test_files_survive_a_stop_and_an_eviction(
    backend: KubernetesBackend, kube: Kube, notebook: Callable[..., Notebook]
) -> None:
    mine = notebook()
    ready = mine.start()
    assert (ready.state, ready.files and ready.files.message) == ("ready", "")
    assert ready.files and ready.files.size
    assert mine.run("ls; stat -c %u . index.ipynb") == "index.ipynb\n1000\n1000\n"
    mine.run("echo mine > mine.txt; echo edited > index.ipynb")
    mine.stop()
    mine.start()
    assert mine.run("cat mine.txt index.ipynb") == "mine\nedited\n"
    pod = f"{mine.spec.name}-{mine.spec.id}"
    kube.core.delete_namespaced_pod(pod, kube.namespace, grace_period_seconds=0)
    until(lambda: not kube.pods(f"bindery/session={mine.spec.id}"), 60)
    backend.forget_server(mine.spec.id)
    mine.start()
    assert mine.run("cat mine.txt index.ipynb") == "mine\nedited\n"


@pytest.mark.long
def test_a_new_commit_is_merged_and_the_persons_edits_win(
    order: Order, backend: KubernetesBackend, notebook: Callable[..., Notebook]
) -> None:
    mine = notebook()
    mine.start()
    mine.run("echo mine > mine.txt; echo edited > index.ipynb")
    mine.stop()
    second = built(backend, order({"index.ipynb": "new", "data.txt": "new"}))
    ready = mine.start(second)
    beside = f"index.from-{second.commit[:7]}.ipynb"
    assert mine.run(f"cat mine.txt index.ipynb data.txt {beside}") == "mine\nedited\nnewnew"
    assert ready.files
    assert f"commit {second.commit[:7]}: 1 added" in ready.files.message
    assert beside in ready.files.message


def test_ssh_keys_are_mounted_over_the_home_and_not_kept(
    notebook: Callable[..., Notebook], kube: Kube
) -> None:
    mine = notebook()
    mine.spec = replace(mine.spec, identity=new_identity())
    assert mine.start().state == "ready"
    kept = f"/home/ada-nfs-pvc/.bindery/projects/{mine.spec.name}"
    assert "ssh.priv" in mine.run("ls -A /home/jovyan/.ssh")
    assert mine.run(f"ls -A {kept}/.ssh; ls {kept}") == "index.ipynb\n"
    mine.run(f"rmdir {kept}/.ssh; ln -s /home/ada-nfs-pvc {kept}/.ssh")
    mine.stop()
    assert mine.start().state == "ready"
    assert "ssh.priv" in mine.run("ls -A /home/jovyan/.ssh")
    assert "ssh.priv" not in mine.run("ls -A /home/ada-nfs-pvc")


def test_a_deletion_removes_only_the_projects_own_folder(
    notebook: Callable[..., Notebook], backend: KubernetesBackend, kube: Kube
) -> None:
    backend.site = replace(backend.site, volume_access="ReadWriteOnce")
    one, other = notebook("bob"), notebook("bob")
    for each in (one, other):
        assert each.start().state == "ready"
    one.run("head -c 400000 /dev/urandom > large")
    one.stop()
    other.run("echo mine > mine.txt; echo mine > /home/bob-nfs-pvc/thesis.txt")
    assert (one.size() or 0) > 400_000, "measured beside a notebook that has the volume"
    one.drop()
    one.drop()
    assert one.size() == 0
    seen = other.run("cat mine.txt /home/bob-nfs-pvc/thesis.txt; ls /home/bob-nfs-pvc/.bindery/*")
    assert seen.startswith("mine\nmine\n")
    assert one.spec.name not in seen
    assert [pod.metadata.name for pod in kube.pods("bindery/kind=helper")] == []


@pytest.mark.parametrize(("kind", "owner"), [("link", "carl"), ("file", "dora")])
def test_a_link_or_file_in_place_of_the_home_is_refused_with_a_message(
    notebook: Callable[..., Notebook],
    backend: KubernetesBackend,
    kube: Kube,
    kind: str,
    owner: str,
) -> None:
    make = "ln -s /volume/other .bindery" if kind == "link" else "echo mine > .bindery"
    fill = f"cd /volume && mkdir other && {make} && chown -hR 1000 /volume"
    restored_by_hand(kube, f"{owner}-nfs-pvc", fill)
    assert backend.adopt_volume(owner, 9)
    mine = notebook()
    mine.spec = replace(mine.spec, owner=owner, volume=owner, owner_id=9)
    report = mine.start()
    assert (report.state, report.code) == ("gone", "spawn.home-blocked")
    assert "“.bindery” in your own folder is a link or a file" in report.message


def test_a_site_that_does_not_keep_homes_starts_with_a_fresh_copy(
    notebook: Callable[..., Notebook], backend: KubernetesBackend
) -> None:
    backend.site = replace(backend.site, keep_homes=False)
    mine = notebook()
    assert mine.start().files is None
    mine.run("echo mine > mine.txt")
    mine.stop()
    mine.start()
    assert mine.run("ls") == "index.ipynb\n"


@pytest.mark.stack
@pytest.mark.long
def test_the_portal_keeps_measures_and_removes_a_projects_files(
    stack: Stack, git: GitServer, ada: Api, portal_kube: Kube
) -> None:
    url = git.repository("ada/one", {"index.ipynb": "{}"})
    going, staying = ada.launch(url), ada.launch(url)
    for name in (going, staying):
        ada.until(name, "ready")
    assert ada.project(going)["files"]["bytes"] > 0
    with Kernel(ada, going) as kernel:
        kernel.run("open('/home/jovyan/mine.txt', 'w').write('mine')")
    ada.verb(going, "stop")
    ada.until(going, "stopped")
    ada.verb(going, "start")
    ada.until(going, "ready")
    with Kernel(ada, going) as kernel:
        assert kernel.run("print(open('/home/jovyan/mine.txt').read())") == "mine\n"
    with Kernel(ada, staying) as kernel:
        folders = "print(sorted(os.listdir('/home/ada-nfs-pvc/.bindery/projects')))"
        assert kernel.run(f"import os; {folders}") == f"{sorted([going, staying])}\n"
        ada.verb(going, "stop")
        ada.until(going, "stopped")
        measured = ada.project(going)["files"]["measured"]
        within = 200 * stack.patience
        eventually(lambda: ada.project(going)["files"]["measured"] != measured, within=within)
        ada.delete(going, for_good=True)
        eventually(lambda: kernel.run(folders) == f"['{staying}']\n", within=within)
        eventually(lambda: not portal_kube.pods("bindery/kind=helper"), within=within)
