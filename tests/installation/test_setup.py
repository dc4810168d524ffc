"""`bin/setup` on machines of several kinds, with programs that only write down how they are called.

Each machine is a folder: an ``os-release``, what the kernel says, and the programs on its PATH. Its
Python makes environments whose programs also only write down their calls.
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TOOLS = ("awk", "cat", "chmod", "cp", "cut", "dirname", "env", "grep", "head", "id", "install",
         "ls", "mkdir", "mktemp", "rm", "sed", "sh", "sha256sum", "tee", "true",
         "uname")  # fmt: skip
SCRIPTS = ("bin/setup", "bin/system.sh", "deploy/apparmor/bindery-bwrap")
PINS = ("requirements.txt", "tests/oidc/provider/package-lock.json",
        "bench/peers/requirements.txt", "bench/peers/package-lock.json")  # fmt: skip
PRESENT = ("git", "socat", "prlimit", "ssh", "setpriv", "bwrap")
SWITCH = "proc/sys/kernel/apparmor_restrict_unprivileged_userns"
CALLED = '#!/bin/sh\necho "${{0##*/}} $*" >>{log}\n'
PYTHON = """#!/bin/sh
echo "${{0##*/}} $*" >>{log}
case "$*" in
*version_info*) [ {minor} -ge 11 ] ;;
--version) echo Python 3.{minor}.1 ;;
*ensurepip*) {venv} ;;
*"-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*"-m pip install"*) cp {tools}/uv "${{0%/*}}/uv" ;;
esac
"""
UV = """#!/bin/sh
echo "${{0##*/}} $*" >>{log}
case "$*" in
"python install"*)
    folder={root}/opt/cpython-3.13.0-linux/bin
    {fetches} && mkdir -p $folder &&
        sed "s/\\[ {minor} -ge/[ 13 -ge/" {path}/python3 >$folder/python3.13 &&
        chmod +x $folder/python3.13 ;;
esac
"""
BWRAP = "#!/bin/sh\n[ -e {root}/etc/apparmor.d/bindery-bwrap ] || [ {works} = 1 ]\n"
AFTER_ALL = '#!/bin/sh\nshift 3\nexec "$@"\n'
SUDO = '#!/bin/sh\necho "sudo $*" >>{log}\n[ "$1" != -n ] || shift\nexec "$@"\n'


@dataclass
class Machine:
    """A machine on which `bin/setup` can be run."""

    folder: Path
    name: str
    manager: str
    minor: int = 11
    has_python: bool = True
    has_venv: bool = True
    missing: Iterable[str] = ()
    sandbox: bool = True
    uv_works: bool = True
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path, self.root, self.log = (self.folder / each for each in ("bin", "root", "log"))
        for place in (self.path, self.folder / "tools", self.root / "etc/apparmor.d",
                      self.root / "usr/sbin", self.root / "etc/ssl/certs"):  # fmt: skip
            place.mkdir(parents=True)
        (self.root / "etc/os-release").write_text(f'PRETTY_NAME="{self.name}"\n')
        (self.root / "etc/ssl/certs/ca-certificates.crt").write_text("authorities")
        for name, text in self.files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        for tool in TOOLS:
            (self.path / tool).symlink_to(str(shutil.which(tool)))
        self._programs()
        self._project()

    def _programs(self) -> None:
        for name in {*PRESENT, self.manager, "apparmor_parser"} - {*self.missing, ""}:
            self.program(name, CALLED)
        self.program("setpriv", AFTER_ALL)
        if "bwrap" not in self.missing:
            self.program("bwrap", BWRAP)
        if self.has_python:
            self.program("python3", PYTHON)
        self.program("../tools/uv", UV)

    def program(self, name: str, text: str) -> None:
        """Put a program on the machine's PATH."""
        words = {
            "log": self.log, "root": self.root, "path": self.path, "minor": self.minor,
            "tools": self.folder / "tools", "works": int(self.sandbox),
            "venv": "true" if self.has_venv else "false",
            "fetches": "true" if self.uv_works else "false",
        }  # fmt: skip
        (self.path / name).write_text(text.format(**words))
        (self.path / name).chmod(0o755)

    def _project(self) -> None:
        project = self.folder / "project"
        for name in (*SCRIPTS, *PINS):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, project / name)

    def run(self, typed: str = "", **variables: str) -> tuple[int, str]:
        """Run `bin/setup run`, at a terminal if something is ``typed``.

        Returns its exit status and what it says.
        """
        theirs, ours = pty.openpty()
        os.write(theirs, typed.encode())
        done = subprocess.run(
            [str(self.folder / "project/bin/setup"), "run"],
            env={"PATH": str(self.path), "BINDERY_ROOT": str(self.root), **variables},
            stdin=ours if typed else subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        os.close(theirs)
        os.close(ours)
        return done.returncode, done.stderr

    @property
    def calls(self) -> list[str]:
        """Return how programs were called, in order."""
        return self.log.read_text().splitlines()

    def installed(self) -> str:
        """Return the words of the package manager's last installation, "" if there was none."""
        found = [
            each for each in self.calls if each.startswith(self.manager) and " install" in each
        ]
        return found[-1] if found else ""


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="plays root on the machines")


def test_a_complete_machine_gets_only_python_packages(tmp_path: Path):
    debian = Machine(tmp_path, "Debian GNU/Linux 13 (trixie)", "apt-get", minor=13)
    assert debian.run()[0] == 0
    assert debian.installed() == ""
    assert any(each.startswith("uv pip sync") for each in debian.calls)
    debian.log.unlink()
    status, said = debian.run()
    assert (status, said) == (0, "")  # nothing has changed
    assert not any(" pip " in each for each in debian.calls)


APT = "apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 {} --quiet=2"
DNF = "dnf install --assumeyes --setopt=install_weak_deps=False {}"
ZYPPER = "zypper --non-interactive install --no-recommends {}"
COMMON = "git bubblewrap socat util-linux"


@pytest.mark.parametrize(
    ("name", "manager", "expected"),
    [
        ("Debian GNU/Linux 12", "apt-get", APT.format(f"{COMMON} openssh-client")),
        ("Ubuntu 24.04.1 LTS", "apt-get", APT.format(f"{COMMON} openssh-client")),
        ("Fedora Linux 43", "dnf", DNF.format(f"{COMMON} openssh-clients")),
        ("openSUSE Leap 16.0", "zypper", ZYPPER.format(f"{COMMON} openssh-clients")),
    ],
)
def test_missing_packages_have_the_systems_names(tmp_path: Path, name, manager, expected):
    system = Machine(tmp_path, name, manager, missing=("git", "bwrap", "socat", "prlimit", "ssh"))
    system.run()
    assert system.installed() == expected
    assert not (system.root / "usr/sbin/policy-rc.d").exists()


@pytest.mark.parametrize(
    ("manager", "package"),
    [("apt-get", "python3-venv"), ("dnf", "python3"), ("zypper", "python311")],
)
def test_a_python_without_venv_gets_it(tmp_path: Path, manager: str, package: str):
    system = Machine(tmp_path, "A system", manager, has_venv=False)
    assert system.run()[0] == 0
    assert package in system.installed().split()


def test_a_newer_python_beside_the_systems_gets_its_own_venv(tmp_path: Path):
    ubuntu = Machine(tmp_path, "Ubuntu 22.04.5 LTS", "apt-get", minor=10, has_venv=False)
    ubuntu.program("python3.11", PYTHON.replace("{minor}", "11"))
    assert ubuntu.run()[0] == 0
    assert "python3.11-venv" in ubuntu.installed().split()


@pytest.mark.parametrize(
    ("release", "manager"),
    [
        ("ID=fedora\n", "dnf"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "zypper"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", "apt-get"),
        ("not a release", "apt-get"),
    ],
)
def test_of_several_package_managers_the_systems_own_is_used(tmp_path: Path, release, manager):
    files = {"etc/os-release": release}
    system = Machine(tmp_path, "A system", manager, missing=("socat",), files=files)
    for name in ("apt-get", "dnf", "zypper"):
        system.program(name, CALLED)
    system.run()
    assert "socat" in system.installed().split()


def test_a_machine_without_python_gets_the_systems(tmp_path: Path):
    debian = Machine(tmp_path, "Debian GNU/Linux 13 (trixie)", "apt-get", has_python=False)
    brings = f"{CALLED}[ $1 = update ] || cp {debian.folder}/tools/python3 {debian.path}\n"
    debian.program("../tools/python3", PYTHON)
    debian.program("apt-get", brings)
    assert debian.run()[0] == 0
    assert "python3 python3-venv" in debian.installed()


def test_a_python_that_is_too_old_is_replaced_by_one_of_uv(tmp_path: Path):
    ubuntu = Machine(tmp_path, "Ubuntu 22.04.5 LTS", "apt-get", minor=10)
    status, said = ubuntu.run()
    assert status == 0, said
    assert "Ubuntu 22.04.5 LTS has Python 3.10.1" in said
    install = f"uv python install --no-progress --no-bin --install-dir {ubuntu.root}/opt 3.13"
    assert install in ubuntu.calls
    assert any(each.startswith("python3.13 -m venv .venv") for each in ubuntu.calls)
    ubuntu.log.unlink()
    assert ubuntu.run() == (0, "")
    assert install not in ubuntu.calls


@pytest.mark.parametrize(
    ("manager", "end"),
    [
        ("dnf", f"Try:  {DNF.format('python3.12')}\n"),
        ("zypper", f"Try:  {ZYPPER.format('python311')}\n"),
        ("apt-get", "has none.\n"),
    ],
)
def test_without_uv_the_systems_newer_python_is_named(tmp_path: Path, manager: str, end: str):
    system = Machine(tmp_path, "A system", manager, minor=9, uv_works=False)
    status, said = system.run()
    assert status == 1
    assert "needs Python 3.11 or newer" in said
    assert said.endswith(end)


def test_an_unknown_package_manager_gets_the_names(tmp_path: Path):
    other = Machine(tmp_path, "Arch Linux", "", missing=("socat", "bwrap"))
    status, said = other.run()
    assert status == 1
    assert "Some programs are missing: bubblewrap socat" in said
    assert "Have an administrator install them." in said


RESTRICTED = {SWITCH: "1\n"}


@pytest.mark.parametrize("answer", ["yes", "1", "Y"])
def test_apparmor_gets_the_profile_if_that_is_wanted(tmp_path: Path, answer: str):
    ubuntu = Machine(tmp_path, "Ubuntu 24.04", "apt-get", sandbox=False, files=RESTRICTED)
    status, said = ubuntu.run(BINDERY_APPARMOR=answer)
    place = ubuntu.root / "etc/apparmor.d/bindery-bwrap"
    assert status == 0
    assert place.read_text() == (PROJECT / "deploy/apparmor/bindery-bwrap").read_text()
    assert f"apparmor_parser --replace {place}" in ubuntu.calls
    assert "To undo:" in said


@pytest.mark.parametrize("answer", ["\n", "y\n", "Yes\n"])
def test_apparmor_gets_the_profile_if_a_person_agrees(tmp_path: Path, answer: str):
    ubuntu = Machine(tmp_path, "Ubuntu 24.04", "apt-get", sandbox=False, files=RESTRICTED)
    assert "Install it? [Y/n]" in ubuntu.run(answer)[1]
    assert (ubuntu.root / "etc/apparmor.d/bindery-bwrap").exists()


@pytest.mark.parametrize("was_there", [False, True])
def test_a_profile_that_apparmor_does_not_take_is_not_left_behind(tmp_path: Path, was_there: bool):
    """An older parser does not know its rule; one of the administrator's own stays."""
    place = "etc/apparmor.d/bindery-bwrap"
    files = RESTRICTED | ({place: "theirs"} if was_there else {})
    ubuntu = Machine(tmp_path, "Ubuntu 24.04", "apt-get", sandbox=False, files=files)
    ubuntu.program("bwrap", "#!/bin/sh\nexit 1\n")
    ubuntu.program("apparmor_parser", "#!/bin/sh\nexit 1\n")
    status, said = ubuntu.run(BINDERY_APPARMOR="yes")
    assert status == 0
    assert "This did not work: " in said
    assert "Installed" not in said
    assert (ubuntu.root / place).exists() == was_there


def test_a_profile_for_another_path_of_bwrap_says_so(tmp_path: Path):
    ubuntu = Machine(tmp_path, "Ubuntu 24.04", "apt-get", sandbox=False, files=RESTRICTED)
    ubuntu.program("bwrap", "#!/bin/sh\nexit 1\n")
    said = ubuntu.run(BINDERY_APPARMOR="yes")[1]
    assert f"bwrap is {ubuntu.path}/bwrap here." in said
    assert not (ubuntu.root / "etc/apparmor.d/bindery-bwrap").exists()


def test_a_machine_without_the_parser_is_told_what_to_install(tmp_path: Path):
    missing = ("apparmor_parser",)
    ubuntu = Machine(
        tmp_path, "Ubuntu 24.04", "apt-get", sandbox=False, files=RESTRICTED, missing=missing
    )
    ubuntu.program("bwrap", "#!/bin/sh\nexit 1\n")
    said = ubuntu.run(BINDERY_APPARMOR="yes")[1]
    assert "Install the package apparmor." in said
    assert not (ubuntu.root / "etc/apparmor.d/bindery-bwrap").exists()


def test_apparmor_is_left_alone_if_a_person_refuses(tmp_path: Path):
    ubuntu = Machine(tmp_path, "Ubuntu 24.04", "apt-get", sandbox=False, files=RESTRICTED)
    assert "To install it" in ubuntu.run("n\n")[1]
    assert not (ubuntu.root / "etc/apparmor.d/bindery-bwrap").exists()


@pytest.mark.parametrize("answer", ["", "no"])
def test_apparmor_is_left_alone_if_nobody_agrees(tmp_path: Path, answer: str):
    ubuntu = Machine(tmp_path, "Ubuntu 24.04", "apt-get", sandbox=False, files=RESTRICTED)
    status, said = ubuntu.run(BINDERY_APPARMOR=answer)
    assert status == 0
    assert not (ubuntu.root / "etc/apparmor.d/bindery-bwrap").exists()
    assert "AppArmor forbids user namespaces" in said
    assert "To install it, run as root:" in said


@pytest.mark.parametrize(
    ("sandbox", "files"), [(True, RESTRICTED), (False, {SWITCH: "0\n"}), (False, {})]
)
def test_apparmor_is_left_alone_if_it_is_not_the_reason(tmp_path: Path, sandbox, files):
    system = Machine(tmp_path, "Ubuntu 24.04", "apt-get", sandbox=sandbox, files=files)
    status, said = system.run(BINDERY_APPARMOR="yes")
    assert status == 0
    assert "AppArmor" not in said
    assert not any("apparmor_parser" in each for each in system.calls)


def test_an_ordinary_user_installs_with_sudo(tmp_path: Path):
    debian = Machine(tmp_path, "Debian GNU/Linux 13 (trixie)", "apt-get", missing=("socat",))
    (debian.path / "id").unlink()
    debian.program("id", "#!/bin/sh\necho 1000\n")
    debian.program("sudo", SUDO)
    assert debian.run()[0] == 0
    assert any(each.startswith("sudo env DEBIAN_FRONTEND") for each in debian.calls)


def test_an_ordinary_user_without_sudo_gets_the_command(tmp_path: Path):
    fedora = Machine(tmp_path, "Fedora Linux 43", "dnf", missing=("socat", "ssh"))
    (fedora.path / "id").unlink()
    fedora.program("id", "#!/bin/sh\necho 1000\n")
    status, said = fedora.run()
    assert status == 1
    assert f"Have an administrator run:  {DNF.format('socat openssh-clients')}" in said
    assert fedora.installed() == ""
