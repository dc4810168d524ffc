"""Sites, specs, and pods as a cluster describes them, for the tests of this package."""

from __future__ import annotations

from typing import Any

from quotas.resources import Resources
from sessions.backends import BuildSpec, ServerSpec
from sessions.backends.kubernetes.site import Site

Pod = dict[str, Any]
COMMIT = "c0ffee" * 6 + "cafe"

BARE = Site(
    namespace="bindery",
    registry="registry.example.org",
    plain_http=False,
    builder_image="builder:1",
    base_image="",
    python_image="",
    push_secret="",
    pull_secret="",
    build_cpu=2.0,
    build_memory=4_000_000_000,
    build_disk=10_000_000_000,
    build_seconds=1800,
    log_limit=10_000_000,
    repository_limit=2_000_000_000,
    storage_class="",
    volume_access="ReadWriteMany",
    gpu="nvidia.com/gpu",
    notebook_disk=10_000_000_000,
    ca_configmap="",
)
FULL = Site(
    namespace="bindery",
    registry="registry.example.org:5000/team/bindery",
    plain_http=True,
    builder_image="registry.example.org:5000/builder:1",
    base_image="base:1",
    python_image="python:1",
    push_secret="push",
    pull_secret="pull",
    build_cpu=0.5,
    build_memory=1_000_000_000,
    build_disk=5_000_000_000,
    build_seconds=600,
    log_limit=1_000_000,
    repository_limit=100_000_000,
    storage_class="fast",
    volume_access="ReadWriteOnce",
    gpu="example.org/gpu",
    notebook_disk=2_000_000_000,
    ca_configmap="authorities",
    base_secret="base",
    variables={"HTTPS_PROXY": "http://proxy.example.org:3128"},
    pod_template={"spec": {"priorityClassName": "notebooks"}},
    seccomp_profile="bindery-notebook.json",
)

BUILD = BuildSpec(7, "https://git.example.org/ada/flowers", COMMIT, "main", "ada-flowers-c0ffee")
SERVER = ServerSpec(
    id=9,
    name="ada-flowers-lrkajvgx",
    owner="ada",
    volume="ada",
    owner_id=1,
    image="ada-flowers-c0ffee",
    commit=COMMIT,
    url="https://git.example.org/ada/flowers",
    token="the token",
    resources=Resources(0.5, 2.5, 1, 2, gpu=1),
    digest="sha256:" + "d" * 64,
)


def containers(pod: Pod) -> dict[str, Pod]:
    """Return the containers of a manifest, init containers too, by name."""
    spec = pod["spec"]
    return {each["name"]: each for each in [*spec.get("initContainers", []), *spec["containers"]]}
