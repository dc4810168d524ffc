"""``kill -9`` of the cluster's own parts, in the middle of builds and spawns: see `parts`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.cluster.parts import bring_back, kill
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.marks import in_long_tests
from tests.stack import Api, Stack, eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.stack,
    pytest.mark.faults,
    pytest.mark.slow("the cluster is away for a while", seconds=900),
]

TICKS = 150
SLOW = f"""#!/bin/bash
for tick in $(seq {TICKS}); do
    echo "tick $tick"
    sleep 0.1
    [ "$tick" != {TICKS - 20} ] || until git ls-remote "$(cat gate)" 2>/dev/null; do sleep 0.1; done
done
"""
"""Near its end, the build waits until the repository that its file ``gate`` names exists."""


@pytest.fixture(autouse=True)
def whole_cluster() -> Iterator[None]:
    """Restart the parts that a failed test has left dead, so that the next test finds them."""
    yield
    bring_back()


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> str:
    """The name of a repository without which ``slow`` is not built."""
    return f"ada/gate-{abs(hash(request.node.name)) % 10**8}"


@pytest.fixture
def slow(git: GitServer, gate: str) -> str:
    """A repository that no test before has built, and whose build takes a while."""
    files = {"postBuild": SLOW, "gate": git.url(gate)}
    return git.repository(gate.replace("gate", "slow"), files, executable=["postBuild"])


@pytest.fixture
def running(git: GitServer, ada: Api) -> Kernel:
    """A kernel in a running notebook, with something in its memory."""
    name = ada.launch(git.repository("ada/plain", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel:
        kernel.run("answer = 42")
    return kernel


def at_tick(api: Api, name: str, number: int) -> None:
    eventually(lambda: f"tick {number}" in api.log(name), within=150, what=f"tick {number}")


def all_is_well(api: Api, building: str, kernel: Kernel) -> None:
    """Assert that the build has ended with each line once, and that the notebook was left alone."""
    api.until(building, "ready")
    ticks = re.findall(r"^tick (\d+)$", "\n".join(api.log(building)), re.MULTILINE)
    assert [int(tick) for tick in ticks] == list(range(1, TICKS + 1))
    name = kernel.host.partition(".")[0]
    with Kernel(api, name, kernel.id) as again:
        assert again.run("print(answer)") == "42\n"


@pytest.mark.long
@pytest.mark.parametrize("part", ["kubelet", "containerd"])
def test_nothing_is_lost_when_a_cluster_component_is_killed(
    part: str, git: GitServer, ada: Api, slow: str, gate: str, running: Kernel
) -> None:
    building = ada.launch(slow)
    at_tick(ada, building, 20)
    spawning = ada.launch(git.url("ada/plain"))
    kill(part)
    bring_back()
    ada.until(spawning, "ready")
    git.empty(gate)
    all_is_well(ada, building, running)


@pytest.mark.parametrize(
    ("parts", "seconds"),
    [
        (("kube-apiserver", "kubelet", "containerd"), 0),
        *in_long_tests((("kube-apiserver",), 60)),
    ],
)
def test_launches_continue_after_a_cluster_outage(
    stack: Stack,
    git: GitServer,
    ada: Api,
    slow: str,
    gate: str,
    running: Kernel,
    parts: tuple[str, ...],
    seconds: int,
) -> None:
    """Until the portal knows it, and for so many seconds more.

    The build ends after it: a container runtime that is away when a container ends loses what that
    wrote meanwhile, and the log says so.
    """
    building = ada.launch(slow)
    at_tick(ada, building, 5)
    spawning = ada.launch(git.url("ada/plain"))
    for part in parts:
        kill(part)
    waiting = ada.launch(git.url("ada/plain"))  # accepted all the same
    eventually(lambda: _back_end(stack) == "cluster.unreachable", within=90, what="knowing of it")
    time.sleep(seconds)
    assert ada.project(waiting)["state"] in {"waiting", "spawning"}
    bring_back()
    ada.until(spawning, "ready", within=200)
    ada.until(waiting, "ready", within=200)
    eventually(lambda: _back_end(stack) == "ok", within=90, what="knowing that it is back")
    git.empty(gate)
    all_is_well(ada, building, running)


def _back_end(stack: Stack) -> str:
    said: str = httpx.get(f"{stack.url}/health").json()["checks"]["backend"]
    return said


@pytest.mark.long
def test_a_push_is_retried_after_a_registry_outage(
    git: GitServer, ada: Api, slow: str, gate: str, running: Kernel
) -> None:
    git.empty(gate)
    building = ada.launch(slow)
    at_tick(ada, building, TICKS)
    kill("registry")
    again = "trying again"
    eventually(lambda: again in "\n".join(ada.log(building)), within=150, what="a second try")
    bring_back()
    all_is_well(ada, building, running)
