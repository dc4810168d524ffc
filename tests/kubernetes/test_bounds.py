"""A namespace's ResourceQuotas and LimitRanges are read before a notebook's pod is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quotas.resources import Resources
from sessions.errors import BinderyError, InternalError, NoRoom, UserError
from tests.kubernetes.things import SERVER

RUN = "ada-flowers-lrkajvgx-9"
SPEC = replace(SERVER, resources=Resources(2, 4, 1, 8, gpu=1))


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    status = {"status": {"hard": hard, "used": used}} if used is not None else {}
    return {"metadata": {"name": "team"}, "spec": {"hard": hard, **spec}, **status}


def limit_range(kind: str = "Container", **rule: dict[str, str]) -> dict[str, Any]:
    limits = [{"type": kind, **rule}, {"type": "PersistentVolumeClaim", "max": {"storage": "1"}}]
    return {"metadata": {"name": "usual"}, "spec": {"limits": limits}}


WAITS = [
    (quota({"requests.cpu": "10"}, {"requests.cpu": "8500m"}), "8.5 CPUs of 10 CPUs are taken"),
    (quota({"memory": "4G"}, {"memory": "3500M"}), "needs 1 GB of memory (ResourceQuota team)"),
    (quota({"pods": "3"}, {"pods": "3"}), "3 notebooks, builds and helpers of 3"),
    (quota({"requests.nvidia.com/gpu": "2"}, {"requests.nvidia.com/gpu": "2"}), "2 nvidia.com/gpu"),
    (quota({"limits.cpu": "5"}, {"limits.cpu": "2"}, scopes=["NotTerminating"]), "needs 4 CPUs"),
]
NEVER = [
    (quota({"limits.memory": "4Gi"}, {}), "alone needs 8 GB of memory"),
    (quota({"requests.cpu": "1"}), "gives this portal 1 CPUs for everybody together"),
]
FORBIDDEN = [
    (limit_range(max={"cpu": "3"}), "at most 3 CPUs, and this one may use 4 CPUs"),
    (limit_range("Pod", min={"memory": "2G"}), "no less than 2 GB of memory"),
    (limit_range(maxLimitRequestRatio={"memory": "4"}), "at most 4 times what it is guaranteed"),
]
FINE = [
    ("resourcequotas", quota({"requests.cpu": "10", "pods": "3"}, {"requests.cpu": "8"})),
    ("resourcequotas", quota({"pods": "1"}, {"pods": "1"}, scopes=["Terminating"])),
    ("resourcequotas", quota({"pods": "1"}, {"pods": "1"}, scopeSelector={"x": "y"})),
    ("resourcequotas", quota({"services": "0"}, {})),
    ("limitranges", limit_range(max={"cpu": "4"}, min={"cpu": "2"},
                                maxLimitRequestRatio={"cpu": "2"})),
]  # fmt: skip


@pytest.fixture
def refusal(api, backend, volume):
    def start(kind: str, thing: dict[str, Any]) -> BinderyError:
        api.put(kind, thing)
        with pytest.raises(BinderyError) as raised:
            backend.ensure_server(SPEC)
        assert RUN not in api.things["pods"]
        assert RUN not in api.things["secrets"]  # the run has not begun
        assert "POST pods" not in api.asked
        return raised.value

    return start


@pytest.mark.parametrize(("thing", "words"), WAITS)
def test_a_quota_that_is_used_up_makes_the_notebook_wait(refusal, thing, words):
    found = refusal("resourcequotas", thing)
    assert (type(found), found.code) == (NoRoom, "cluster.quota")
    assert words in found.message
    assert "starts by itself" in found.message


@pytest.mark.parametrize(("thing", "words"), NEVER)
def test_a_quota_that_is_too_small_ends_the_launch(refusal, thing, words):
    found = refusal("resourcequotas", thing)
    assert (type(found), found.code) == (UserError, "cluster.quota-too-small")
    assert words in found.message


@pytest.mark.parametrize(("thing", "words"), FORBIDDEN)
def test_a_limit_range_that_forbids_it_is_named_with_its_figures(refusal, thing, words):
    found = refusal("limitranges", thing)
    assert (type(found), found.code) == (InternalError, "cluster.limit-range")
    assert words in found.message
    assert "(LimitRange usual)" in found.message


@pytest.mark.parametrize(("kind", "thing"), FINE)
def test_what_allows_the_notebook_lets_it_start(api, backend, kind, thing):
    api.put(kind, thing)
    backend.ensure_server(SPEC)
    assert RUN in api.things["pods"]


def test_a_started_notebook_is_not_measured_by_the_quota_that_it_uses(api, backend):
    backend.ensure_server(SPEC)
    api.put("resourcequotas", quota({"pods": "1"}, {"pods": "1"}))
    backend.ensure_server(SPEC)


def test_without_the_right_to_read_them_the_cluster_alone_decides(api, backend):
    api.put("resourcequotas", quota({"pods": "1"}, {"pods": "1"}))
    for kind in ("resourcequotas", "limitranges"):
        api.refused[f"GET {kind}"] = (403, b'{"message": "resourcequotas is forbidden"}')
    backend.ensure_server(SPEC)
    assert RUN in api.things["pods"]
