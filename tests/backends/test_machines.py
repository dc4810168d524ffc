"""Machines that forbid user namespaces: doctor and the start say why, and what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sessions.backends.local import health, machine

LINUX = {"proc/sys/kernel/ostype": "Linux\n", "proc/self/ns/user": ""}
DENIED = "bwrap: setting up uid map: Permission denied"
APPARMOR = "proc/sys/kernel/apparmor_restrict_unprivileged_userns"
MACHINES = [
    ("Ubuntu 24.04", {APPARMOR: "1\n"}, "AppArmor restricts", "apparmor_parser --replace"),
    ("an older Debian", {"proc/sys/kernel/unprivileged_userns_clone": "0\n"}, "_clone is 0", "=1"),
    ("a hardened RHEL", {"proc/sys/user/max_user_namespaces": "0\n"}, "namespaces is 0", "sysctl"),
    ("Fedora", {"sys/fs/selinux/enforce": "1"}, "SELinux is enforcing", "ausearch"),
    ("a Docker container", {".dockerenv": ""}, "this is a container", "Kubernetes back end"),
    ("a Podman container", {"run/.containerenv": ""}, "this is a container", "docs/install.md"),
    ("an LXC container", {"run/systemd/container": "lxc"}, "this is a container", "itself"),
    ("WSL 1", {"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft"}, "WSL 1", "--set-version"),
]


def at(folder: Path, files: dict[str, str]) -> Path:
    """Return a folder that looks like the root of a machine with these files."""
    for name, text in (LINUX | files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(("files", "why", "hint"), [each[1:] for each in MACHINES],
                         ids=[each[0] for each in MACHINES])  # fmt: skip
def test_each_kind_of_machine_is_told_why_and_what_to_do(tmp_path, files, why, hint):
    (found,) = machine.refusals(DENIED, at(tmp_path, files))
    assert why in found.why
    assert hint in found.hint
    assert found.hint.endswith(".")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {APPARMOR: "0\n"},
        {"proc/sys/user/max_user_namespaces": "15000"},
        {"sys/fs/selinux/enforce": "0"},
        {"proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2"},
    ],
)
def test_a_machine_that_restricts_nothing_is_not_accused(tmp_path, files):
    assert machine.refusals(DENIED, at(tmp_path, files)) == []


def test_a_kernel_without_user_namespaces_is_named(tmp_path):
    root = at(tmp_path, {})
    (root / "proc/self/ns/user").unlink()
    assert "kernel has no user namespaces" in machine.refusals(DENIED, root)[0].why


def test_several_reasons_are_all_named(tmp_path):
    root = at(tmp_path, {".dockerenv": "", APPARMOR: "1"})
    assert ["container" in each.why for each in machine.refusals(DENIED, root)] == [True, False]


def test_an_old_bubblewrap_is_named_whatever_else_there_is(tmp_path):
    root = at(tmp_path, {APPARMOR: "1"})
    (found,) = machine.refusals("bwrap: Unknown option --disable-userns", root)
    assert "older than 0.8" in found.why


def test_the_problem_says_what_bubblewrap_said_and_that_nothing_starts(tmp_path):
    problem = health.no_sandbox(DENIED, at(tmp_path, {APPARMOR: "1"}))
    assert problem.id == "local.no-sandbox"
    assert problem.message.endswith(f"AppArmor restricts them ({DENIED}).")
    assert problem.hint.endswith("Nothing starts without a sandbox.")
    unknown = health.no_sandbox(DENIED, at(tmp_path, {APPARMOR: "0"}))
    assert unknown.message.endswith(f"there is no sandbox ({DENIED}).")
    assert "docs/install.md" in unknown.hint


PROFILE = Path(__file__).parents[2] / machine.PROFILE


def test_the_apparmor_profile_allows_one_program_one_thing():
    lines = [line.strip() for line in PROFILE.read_text().splitlines()]
    rules = [line for line in lines if line and not line.startswith(("#", "abi ", "include "))]
    assert rules == ["profile bindery-bwrap /usr/bin/bwrap flags=(unconfined) {", "userns,", "}"]


def knows_userns() -> bool:
    """Return whether this machine's AppArmor is 4.0 or newer, which the profile needs."""
    if not shutil.which("apparmor_parser"):
        return False
    said = subprocess.run(["apparmor_parser", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"version (\d+)", said)
    return found is not None and int(found[1]) >= 4


@pytest.mark.skipif(not knows_userns(), reason="needs AppArmor 4.0, as on Ubuntu 24.04")
def test_apparmor_accepts_the_profile():
    words = ["apparmor_parser", "--skip-kernel-load", "--skip-cache", str(PROFILE)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
