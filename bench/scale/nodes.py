"""Simulated nodes: Node objects with a lease that is renewed, and no machine behind them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from kubernetes import client

from bench.harness.waiting import until
from bench.scale.pods import now
from tests.cluster.kube import Kube

LEASES = "kube-node-lease"
RENEW_SECONDS = 10
"""The node controller gives up a node after 40 s without a renewal."""
ROOM = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1000Gi", "pods": "110"}
PODS = 100
"""Pods to plan for on each node; the rest is for builds."""
_LABEL = "bindery/simulated"


def node(name: str, address: str, kubelet_port: int) -> dict[str, Any]:
    """Return the manifest of a ready node, whose kubelet is at this address and port."""
    kinds = {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False"}
    return {
        "metadata": {"name": name, "labels": {_LABEL: "", "kubernetes.io/hostname": name}},
        "status": {
            "capacity": ROOM,
            "allocatable": ROOM,
            "addresses": [{"type": "InternalIP", "address": address}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
            "conditions": [
                {
                    "type": kind,
                    "status": value,
                    "reason": "Simulated",
                    "message": "simulated",
                    "lastHeartbeatTime": now(),
                    "lastTransitionTime": now(),
                }
                for kind, value in kinds.items()
            ],
        },
    }


def _lease(name: str) -> dict[str, Any]:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": moment}
    return {"metadata": {"name": name}, "spec": spec}


@contextmanager
def simulated(kube: Kube, pods: int, kubelet_port: int) -> Iterator[list[str]]:
    """Have nodes for this many pods, and only these take pods until the `with` block ends."""
    leases: Any = client.CoordinationV1Api()
    names = [f"simulated-{number}" for number in range(-(-pods // PODS))]
    over = threading.Event()

    def renew() -> None:
        while not over.wait(RENEW_SECONDS):
            for name in names:
                with suppress(client.ApiException, OSError):
                    leases.patch_namespaced_lease(name, LEASES, _lease(name))

    beats = threading.Thread(target=renew, daemon=True)
    with _cordoned(kube):
        try:
            for name in names:
                leases.create_namespaced_lease(LEASES, _lease(name))
                kube.core.create_node(node(name, kube.own_address(), kubelet_port))
            beats.start()
            until(lambda: _take_pods(kube), 60, "nodes without taints")
            yield names
        finally:
            over.set()
            for name in names:
                with suppress(client.ApiException):
                    kube.core.delete_node(name)
                with suppress(client.ApiException):
                    leases.delete_namespaced_lease(name, LEASES)


def _take_pods(kube: Kube) -> bool:
    return not any(each.spec.taints for each in kube.core.list_node(label_selector=_LABEL).items)


@contextmanager
def _cordoned(kube: Kube) -> Iterator[None]:
    """Keep pods off the nodes that there are, since no real one may run a simulated image."""
    real = [each for each in kube.core.list_node().items if not each.spec.unschedulable]
    names = [each.metadata.name for each in real]
    try:
        for name in names:
            kube.core.patch_node(name, {"spec": {"unschedulable": True}})
        yield
    finally:
        for name in names:
            kube.core.patch_node(name, {"spec": {"unschedulable": None}})
