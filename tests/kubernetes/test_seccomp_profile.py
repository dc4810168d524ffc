"""The seccomp profile for the nodes, compared with the sandbox's filter on one machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sessions.backends.local.keeper.seccomp import DENIED

PROFILE = json.loads(Path("deploy/kubernetes/seccomp/bindery-notebook.json").read_text())
ALLOW = "SCMP_ACT_ALLOW"


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for rule in PROFILE["syscalls"] if name in rule["names"]]


def test_unlisted_system_calls_are_refused():
    assert PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"


@pytest.mark.parametrize("name", sorted(DENIED))
def test_system_calls_denied_in_the_sandbox_are_denied_here(name):
    assert rules(name) == []


@pytest.mark.parametrize("name", ["socketcall", "ipc"])
def test_multiplexing_system_calls_are_refused(name):
    assert rules(name) == []


@pytest.mark.parametrize("name", ["clone", "personality", "socket", "socketpair"])
def test_calls_that_the_sandbox_filters_by_argument_have_such_rules(name):
    assert rules(name)
    assert all(rule["args"] for rule in rules(name))


def test_only_unix_internet_and_netlink_route_sockets_are_allowed():
    first = [(rule["args"][0]["op"], rule["args"][0]["value"]) for rule in rules("socket")]
    assert first == [("SCMP_CMP_EQ", family) for family in (1, 2, 10, 16)]
    assert rules("socket")[-1]["args"][1] == {
        "index": 2,
        "value": 0,
        "valueTwo": 0,
        "op": "SCMP_CMP_EQ",
    }


def test_clone_may_start_threads_but_no_namespaces():
    (clone,) = rules("clone")
    assert clone["args"] == [
        {"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    ]
    (clone3,) = rules("clone3")
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


@pytest.mark.parametrize(
    "name", ["execve", "futex", "io_setup", "memfd_create", "mmap", "ptrace", "shmget", "wait4"]
)
def test_calls_that_jupyterlab_debuggers_and_databases_need_are_allowed(name):
    assert [(rule["action"], "args" in rule) for rule in rules(name)] == [(ALLOW, False)]
