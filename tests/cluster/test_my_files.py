"""A person's own files while their notebook does not run, served by a pod with their volume."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPConnection

import httpx
import pytest

from portal.lib.zipping import REST
from sessions.backends import BuildSpec, PersonFiles, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes.homes import serve
from sessions.errors import NotYet
from tests.backends.waiting import until
from tests.cluster.kube import Kube
from tests.cluster.test_storage import restored_by_hand
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import Api, Stack, eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow("pods of a cluster, one after the other", seconds=300),
]

OWNER = "hypatia"  # of no other test in the namespace, whose claim would be there already
NAME = f"{OWNER}-project-1"
FILL = f"""
cd /volume && mkdir -p thesis .bindery/projects/{NAME}/data && echo mine >thesis/chapter.txt
cd .bindery/projects/{NAME}/data && echo mine >mine.txt && ln -s / out && mkfifo p
head -c 30000000 /dev/zero >large && chown -hR 1000 /volume
"""
DIGEST = hashlib.sha256(bytes(30_000_000)).hexdigest()
SERVING = "bindery/task=files"


def test_a_pod_serves_a_persons_files_until_they_launch_a_notebook(
    backend: KubernetesBackend, kube: Kube, wish: Callable[..., ServerSpec]
) -> None:
    restored_by_hand(kube, f"{OWNER}-nfs-pvc", FILL)
    assert backend.adopt_volume(OWNER, 10)
    backend.site = replace(backend.site, volume_access="ReadWriteOnce")

    def opened() -> PersonFiles | None:
        with suppress(NotYet):
            files = backend.open_files(NAME, OWNER)
            files.entries("")
            return files
        return None

    files = until(opened, 120)
    assert [each.path for each in files.entries("")] == ["project", "volume"]
    kinds = {each.name: each.kind for each in files.entries("project/data")}
    assert kinds == {"mine.txt": "file", "large": "file", "out": "link", "p": "other"}
    assert hashlib.sha256(b"".join(files.content("project/data/large"))).hexdigest() == DIGEST
    with zipfile.ZipFile(io.BytesIO(b"".join(files.archive("project/data")))) as archive:
        assert hashlib.sha256(archive.read("large")).hexdigest() == DIGEST
        assert sorted(archive.namelist()) == [REST, "large", "mine.txt"]
        assert {"out", "p"} <= set(archive.read(REST).decode().split())
    assert [each.path for each in files.entries("volume")] == ["volume/thesis"]
    with pytest.raises(FileNotFoundError):
        files.entries("project/data/out/etc")
    assert files.delete("project/data/large") and files.delete("volume/thesis")
    (pod,) = kube.pods(SERVING)
    stranger = HTTPConnection(pod.status.pod_ip, serve.PORT, timeout=5)
    stranger.request("POST", "/", '{"do": "entries", "project": "", "path": "volume"}')
    assert stranger.getresponse().status == 401
    stranger.close()

    server = wish(BuildSpec(1, "https://example.org/x", "c" * 40, "", "no-image"))
    backend.ensure_server(replace(server, owner=OWNER, volume=OWNER, owner_id=10))
    assert kube.pods(SERVING) == []


@pytest.mark.stack
@pytest.mark.long
def test_the_portal_opens_a_persons_files_and_starts_the_notebook_again(
    stack: Stack, git: GitServer, ada: Api, portal_kube: Kube
) -> None:
    name = ada.launch(git.repository("ada/my-files", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel:
        kernel.run("open('/home/jovyan/result.txt', 'w').write('kept')")
    ada.verb(name, "stop")
    ada.until(name, "stopped")
    address, path = f"projects/{name}/files/", {"path": "project/result.txt"}
    early = ada.http.get(address, params=path)
    assert (early.status_code, early.json()["code"]) == (503, "files.starting")
    assert int(early.headers["Retry-After"]) <= 5

    def there() -> httpx.Response | None:
        answer = ada.http.get(address, params=path)
        assert answer.status_code in {200, 503}, answer.text
        return answer if answer.status_code == 200 else None

    assert eventually(there, within=30 * stack.patience).content == b"kept"
    assert ada.http.delete(address, params=path).status_code == 204
    ada.verb(name, "start")
    ada.until(name, "ready")
    assert portal_kube.pods(SERVING) == []
    with Kernel(ada, name) as kernel:
        assert kernel.run("import os; print(os.path.exists('result.txt'))") == "False\n"
