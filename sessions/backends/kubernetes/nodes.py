"""Change what the chart keeps ready on the nodes: images, and room for the next notebooks.

The chart's DaemonSet ``pre-pull-popular`` and its Deployment ``held-room`` exist already; an
account of its own may change these two, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .cluster import Cluster
from .homes.pods import CONTAINER_SECURITY_CONTEXT

IDLE = {
    "requests": {"cpu": "1m", "memory": "8Mi"},
    "limits": {"cpu": "100m", "memory": "64Mi"},
}


def set_pulled(cluster: Cluster, name: str, images: Iterable[str]) -> bool:
    """Have each node pull exactly these images; return False if there is no such DaemonSet."""
    containers: list[dict[str, Any]] = [
        {
            "name": f"image-{number}",
            "image": image,
            "command": ["sh", "-c", "true"],
            "resources": IDLE,
            "securityContext": CONTAINER_SECURITY_CONTEXT | {"readOnlyRootFilesystem": True},
        }
        for number, image in enumerate(images)
    ]
    spec = {"initContainers": containers}
    return cluster.change_workload("daemonsets", name, {"spec": {"template": {"spec": spec}}})


def set_held(cluster: Cluster, name: str, number: int) -> bool:
    """Hold room for so many notebooks; return False if there is no such Deployment."""
    return cluster.change_workload("deployments", name, {"spec": {"replicas": number}})
