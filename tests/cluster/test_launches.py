"""Launches on the cluster, from an address to a cell that runs, or to a sentence that says why
not.
"""

from __future__ import annotations

import json

import pytest

from tests.cluster.kube import Kube
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.marks import in_long_tests
from tests.replica import Replica, zipped
from tests.stack import Api, Stack, eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.stack,
    pytest.mark.slow("builds and notebooks of a cluster", seconds=600),
]

# What the code in a notebook finds about itself.
LOOK = """
import json, os, subprocess
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
def writable(path):
    try:
        open(os.path.join(path, ".tried"), "w").close()
        os.remove(os.path.join(path, ".tried"))
        return True
    except OSError:
        return False
print(json.dumps({
    "uid": os.getuid(),
    "capabilities": [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")],
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "account": os.path.exists("/var/run/secrets/kubernetes.io"),
    "cluster": [name for name in os.environ if name.endswith("_SERVICE_HOST")
                and not name.startswith("KUBERNETES")],
    "secret_in_variables": [name for name in os.environ if "TOKEN" in name],
    "writable": [path for path in ("/", "/usr", "/etc", "/srv", "/run/bindery/jupyter",
                                   "/home", "/home/ada-nfs-pvc", "/home/jovyan", "/proc/sys/vm")
                 if writable(path)],
    "certificates": os.environ.get("SSL_CERT_FILE", ""),
    "host": os.uname().nodename,
}))
"""


def dockerfile(stack: Stack, *steps: str) -> str:
    base = stack.environment["PORTAL_PYTHON_IMAGE"]
    return "\n".join([f"FROM {base}", *steps, ""])


def test_a_dockerfile_is_built_and_a_cell_runs(
    stack: Stack, git: GitServer, ada: Api, portal_kube: Kube
) -> None:
    steps = ["COPY --chown=1000:1000 . /home/jovyan/", "RUN echo built-by-$(id -un)"]
    files = {"Dockerfile": dockerfile(stack, *steps), "word.txt": "from the repository"}
    name = ada.launch(git.repository("ada/dockerfile", files))
    project = ada.until(name, "ready")
    assert project["message"] == ""
    with Kernel(ada, name) as kernel:
        assert kernel.run("print(open('word.txt').read())") == "from the repository\n"
        found = json.loads(kernel.run(LOOK))
    assert found["uid"] == 1000
    assert found["capabilities"] == [0, 0, 0, 0]
    assert (found["no_new_privileges"], found["seccomp"]) == ("1", "2")
    assert not found["account"]
    assert found["cluster"] == []
    assert found["secret_in_variables"] == []
    assert found["writable"] == ["/home/ada-nfs-pvc", "/home/jovyan"]
    assert found["host"] == name
    log = ada.log(name)
    assert "built-by-jovyan" in log
    assert any(line.startswith("── Fetching") for line in log)
    phases = [item["phase"] for item in ada.story(name)]
    order = ["waiting", "fetching", "building", "pushing", "built", "launching", "ready"]
    assert list(dict.fromkeys(phases)) == order


def test_requirements_are_installed_and_a_second_launch_builds_nothing(
    git: GitServer, ada: Api, bob: Api, portal_kube: Kube
) -> None:
    files = {"requirements.txt": "six==1.17.0\n", "postBuild": "#!/bin/sh\necho ok > made\n"}
    url = git.repository("ada/requirements", files, executable=["postBuild"])
    first = ada.launch(url)
    ada.until(first, "ready")
    with Kernel(ada, first) as kernel:
        assert kernel.run("import six; print(six.__version__, open('made').read())") == (
            "1.17.0 ok\n\n"
        )
    second = bob.launch(url)
    bob.until(second, "ready")
    assert "building" not in {item["phase"] for item in bob.story(second) if not item.get("log")}
    assert len(portal_kube.pods("bindery/kind=build")) == 0
    claims = portal_kube.names()["claims"]
    assert {"ada-nfs-pvc", "bob-nfs-pvc"} <= claims

    bobs = "bindery/kind=server,bindery/owner=bob"
    bob.verb(second, "stop")
    bob.until(second, "stopped")
    eventually(lambda: len(portal_kube.pods(bobs)) == 0, what="no pod of bob's")
    bob.verb(second, "start")
    bob.until(second, "ready")
    bob.delete(second)
    gone = eventually(lambda: not portal_kube.pods(bobs), within=60, what="no pod of bob's")
    assert gone
    assert "bob-nfs-pvc" in portal_kube.names()["claims"]


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("RUN echo alas && exit 3", "build.dockerfile"),
        *in_long_tests(("USER 1000", "spawn.no-jupyterlab")),
    ],
)
def test_a_failed_launch_has_a_code_and_a_message(
    git: GitServer, ada: Api, portal_kube: Kube, step: str, code: str
) -> None:
    files = {"Dockerfile": f"FROM {portal_kube.registry}/debian:bookworm\n{step}\n"}
    url = git.repository("ada/broken", files)
    name = ada.launch(url)
    project = ada.until(name, "failed", "ready")
    assert (project["state"], project["code"]) == ("failed", code), project
    assert project["message"].strip()


def test_a_missing_base_image_is_named(git: GitServer, ada: Api, stack: Stack) -> None:
    base = stack.environment["PORTAL_PYTHON_IMAGE"].partition("/")[0] + "/no-such-image:1"
    name = ada.launch(git.repository("ada/baseless", {"Dockerfile": f"FROM {base}\n"}))
    project = ada.until(name, "failed", "ready")
    assert project["code"] == "build.base-image"
    assert base in project["message"]


@pytest.mark.long
def test_a_build_can_be_cancelled(git: GitServer, ada: Api, portal_kube: Kube) -> None:
    base = f"{portal_kube.registry}/debian:bookworm"
    files = {"Dockerfile": f"FROM {base}\nRUN echo going on && sleep 600\n"}
    name = ada.launch(git.repository("ada/endless", files))
    eventually(lambda: "going on" in ada.log(name), within=300, what="the step")
    ada.verb(name, "cancel")
    ada.until(name, "stopped")
    builds = "bindery/kind=build"
    eventually(lambda: not portal_kube.pods(builds), within=60, what="the end of the build's pod")


@pytest.mark.long
def test_a_notebook_over_its_memory_limit_is_reported(git: GitServer, ada: Api) -> None:
    name = ada.launch(git.repository("ada/plain", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel, pytest.raises(Exception):  # noqa: B017, PT011  (it dies)
        kernel.run("x = bytearray(3 * 10**9); print(len(x))", within=60)
    project = ada.until(name, "failed")
    assert project["code"] == "spawn.out-of-memory"


@pytest.mark.long
def test_a_pod_that_somebody_deletes_is_noticed(
    git: GitServer, ada: Api, portal_kube: Kube
) -> None:
    name = ada.launch(git.repository("ada/plain", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    (pod,) = portal_kube.pods(f"bindery/kind=server,bindery/project={name}")
    portal_kube.core.delete_namespaced_pod(
        pod.metadata.name, portal_kube.namespace, grace_period_seconds=0
    )
    noticed = eventually(lambda: ada.project(name)["code"], within=5, what="the notice")
    assert noticed == "spawn.deleted"
    ada.verb(name, "start")
    ada.until(name, "ready")


def test_a_record_of_an_archive_is_launched_and_launched_again_without_a_build(
    replica: Replica, ada: Api
) -> None:
    replica.zenodo("3242074", {"flowers.zip": zipped({"data/x.csv": "1,2"})})
    name = ada.launch("https://doi.org/10.5281/zenodo.3242074")
    project = ada.until(name, "ready")
    assert (project["provider"], project["commit"]) == ("zenodo", "3242074")
    with Kernel(ada, name) as kernel:
        assert kernel.run("print(open('data/x.csv').read())") == "1,2\n"
    ada.verb(name, "stop")
    ada.until(name, "stopped")
    ada.verb(name, "start")
    ada.until(name, "ready")
    said = [event["message"] for event in ada.story(name)]
    assert len([each for each in said if each.startswith("Building the environment")]) == 1
