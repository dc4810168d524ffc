"""Find out why a machine does not let ordinary users have a sandbox, and what to do about it.

bubblewrap needs user namespaces. Many systems restrict them, each in its own way; what the kernel
and the system say about themselves in files shows which. `health` tries the sandbox. Reads only
below ``root``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from django.utils.translation import gettext as _

ROOT = Path("/")
PROFILE = "deploy/apparmor/bindery-bwrap"


class Refusal(NamedTuple):
    """Why there are no user namespaces, as part of a sentence, and what to do."""

    why: str
    hint: str


def refusals(error: str, root: Path = ROOT) -> list[Refusal]:
    """Return everything on this machine that is known to forbid a sandbox, surest first.

    ``error`` is what bubblewrap wrote.
    """
    if "nknown option" in error:
        return [_old_program()]
    return [refusal for check in _CHECKS for refusal in check(root)]


def _old_program() -> Refusal:
    return Refusal(
        _("its program bubblewrap is older than 0.8"),
        _("Install a newer bubblewrap, or a newer release of the system (docs/install.md)."),
    )


def _no_support(root: Path) -> Iterator[Refusal]:
    if _read(root, "proc/sys/kernel/ostype") and not (root / "proc/self/ns/user").exists():
        yield Refusal(
            _("its kernel has no user namespaces"),
            _("Use a kernel with CONFIG_USER_NS, or the Kubernetes back end."),
        )


def _first_wsl(root: Path) -> Iterator[Refusal]:
    release = _read(root, "proc/sys/kernel/osrelease")
    if "Microsoft" in release:  # WSL 2 writes it in lower case
        yield Refusal(
            _("this is WSL 1, which has no Linux kernel"),
            _("In Windows, run `wsl --set-version <distribution> 2`, and start again."),
        )


def _limit(root: Path) -> Iterator[Refusal]:
    if _read(root, "proc/sys/user/max_user_namespaces") == "0":
        yield Refusal(
            _("user.max_user_namespaces is 0"),
            _("As root, run `sysctl user.max_user_namespaces=15000`; keep it in sysctl.d."),
        )


def _debian_switch(root: Path) -> Iterator[Refusal]:
    if _read(root, "proc/sys/kernel/unprivileged_userns_clone") == "0":
        yield Refusal(
            _("kernel.unprivileged_userns_clone is 0"),
            _("As root, run `sysctl kernel.unprivileged_userns_clone=1`; keep it in sysctl.d."),
        )


def _container(root: Path) -> Iterator[Refusal]:
    files = ("run/.containerenv", ".dockerenv", "run/systemd/container")
    if any((root / file).exists() for file in files):
        yield Refusal(
            _("this is a container that does not allow them"),
            _(
                "Install the portal on the machine itself or in a virtual machine, use the "
                "Kubernetes back end, or have the container started with user namespaces allowed "
                "(docs/install.md)."
            ),
        )


def _apparmor(root: Path) -> Iterator[Refusal]:
    if _read(root, "proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        hint = _(
            "As root, install the profile that allows them to bubblewrap alone: `install -m 644 "
            "%(profile)s /etc/apparmor.d/ && apparmor_parser --replace "
            "/etc/apparmor.d/bindery-bwrap`; `make run` as root offers to do so."
        )
        yield Refusal(_("AppArmor restricts them"), hint % {"profile": PROFILE})


def _selinux(root: Path) -> Iterator[Refusal]:
    if _read(root, "sys/fs/selinux/enforce") == "1":
        yield Refusal(
            _("SELinux is enforcing, and may forbid them"),
            _("`ausearch -m avc -c bwrap` shows what it denied; allow that to the portal."),
        )


_CHECKS: tuple[Callable[[Path], Iterator[Refusal]], ...] = (
    _first_wsl, _no_support, _limit, _debian_switch, _container, _apparmor, _selinux,
)  # fmt: skip


def _read(root: Path, name: str) -> str:
    """Return a small file's text, "" if it cannot be read."""
    try:
        return (root / name).read_text().strip()
    except OSError:
        return ""
