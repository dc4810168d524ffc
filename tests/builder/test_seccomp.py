"""The seccomp filter for the steps of a build."""

from __future__ import annotations

import json
from pathlib import Path

from bindery_builder import seccomp
from bindery_builder.buildspec import BuildSpec

PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [
        {"names": ["read", "keyctl", "socketcall"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["io_uring_setup"], "action": "SCMP_ACT_ALLOW"},
    ],
}


def test_system_calls_that_no_step_needs_are_removed_from_the_profile():
    made = seccomp.restrict(PROFILE)
    names = [name for group in made["syscalls"] for name in group["names"]]
    assert names == ["read", "socket", "socket", "socket", "socket"]
    assert made["defaultAction"] == "SCMP_ACT_ERRNO"


def test_each_socket_rule_names_a_family():
    rules = [each for each in seccomp.restrict(PROFILE)["syscalls"] if each["names"] == ["socket"]]
    families = [each["args"][0] for each in rules]
    assert {each["op"] for each in families} == {"SCMP_CMP_EQ"}
    assert [each["value"] for each in families] == [1, 2, 10, 16]


def test_the_filter_is_used_if_the_system_has_a_profile(tmp_path: Path, monkeypatch):
    spec = BuildSpec(url="https://example.org/x", commit="a" * 40, image="i", work=tmp_path)
    monkeypatch.setattr(seccomp, "SYSTEM", tmp_path / "none")
    assert seccomp.options(spec) == []
    system = tmp_path / "system.json"
    system.write_text(json.dumps(PROFILE))
    monkeypatch.setattr(seccomp, "SYSTEM", system)
    assert seccomp.options(spec) == ["--security-opt", f"seccomp={tmp_path}/seccomp.json"]
    assert json.loads((tmp_path / "seccomp.json").read_text()) == seccomp.restrict(PROFILE)
