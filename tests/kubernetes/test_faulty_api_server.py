"""A faulty proxy before the API server: each call ends in time, with our own error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.kubernetes.cluster import Cluster
from sessions.errors import BinderyError, TemporaryError
from tests.faults import ANSWERS, CUT, NONE, SILENT, SLOW, FaultyProxy
from tests.kubernetes.apiserver import ApiServer

pytestmark = pytest.mark.servers

POD = {"metadata": {"name": "run-9", "labels": {"bindery/kind": "server"}}}
CALLS = {
    "create": lambda cluster: cluster.create("pods", POD),
    "get": lambda cluster: cluster.get("pods", "run-9"),
    "list": lambda cluster: cluster.list("pods", {}),
    "delete": lambda cluster: cluster.delete("pods", "run-9"),
    "watch": lambda cluster: list(cluster.watch("pods", {}, "1")),
    "log": lambda cluster: list(cluster.log("run-9", "notebook")),
}


@pytest.fixture
def proxy(api: ApiServer) -> Iterator[FaultyProxy]:
    with FaultyProxy(("127.0.0.1", api.port)) as proxy:
        yield proxy


@pytest.fixture
def cluster(api: ApiServer, proxy: FaultyProxy, tmp_path: Path) -> Cluster:
    """A cluster by way of the proxy, which waits a second."""
    config = json.loads(Path(api.kubeconfig).read_text())
    config["clusters"][0]["cluster"]["server"] = f"http://{proxy.address}"
    file = tmp_path / "far"
    file.write_text(json.dumps(config))
    return Cluster("test", str(file), read_timeout=1, stream_timeout=1)


@pytest.mark.parametrize("fault", [SILENT, CUT, "429", "500", "nonsense"])
@pytest.mark.parametrize("call", CALLS)
def test_a_faulty_api_server_is_a_temporary_error(cluster, proxy, call, fault):
    proxy.fault = fault
    with pytest.raises(TemporaryError) as raised:
        CALLS[call](cluster)
    assert raised.value.code == "cluster.unreachable"


@pytest.mark.parametrize("fault", [SILENT, CUT, *ANSWERS])
def test_the_next_call_works_once_the_fault_is_over(cluster, proxy, fault):
    assert cluster.list("pods", {}).items == []
    proxy.fault = fault
    with pytest.raises(BinderyError):
        cluster.list("pods", {})
    proxy.fault = NONE
    cluster._gate.open()  # the pause is over
    assert cluster.list("pods", {}).items == []


def test_calls_after_one_without_an_answer_do_not_wait(cluster, proxy):
    proxy.fault = SILENT
    for _each in range(20):
        with pytest.raises(TemporaryError) as raised:
            cluster.get("pods", "run-9")
        assert raised.value.code == "cluster.unreachable"
    assert proxy.accepted == 1


def test_a_slow_api_server_is_waited_for(cluster, proxy):
    proxy.fault = SLOW
    assert cluster.create("pods", POD)
