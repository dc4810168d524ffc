"""Check that the local back end works, and will go on working.

`problems` tries what has to work now. `examine` finds what may go wrong on this machine later, for
`portal.health.doctor`.
"""

from __future__ import annotations

import json
import os
import platform
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from sessions.backends import Problem

from . import machine, owners
from .folders import Folders
from .keeper import bases, cgroups, keeper_command, seccomp
from .toolbox import interpreters, toolbox_name

_RESERVED_UIDS = 100_000
"""Uids reserved for people's notebooks."""
_SECONDS = 20


def examine(folders: Folders) -> Iterator[Problem]:
    """Check that no account shares the uids of builds and notebooks, and which limits hold."""
    yield from _damaged_bases(folders)
    yield from _shared_uids()
    yield from _missing_limits()


def _damaged_bases(folders: Folders) -> Iterator[Problem]:
    for path, damaged in bases.damaged_bases(folders.cache):
        message = _(
            "Files that every environment begins with were damaged on this machine's disk, and "
            "were set aside as %(path)s: %(what)s. New ones are made by the next build."
        )
        hint = _(
            "Look for the reason: errors of the disk in the system's log, a full disk, a program "
            "that removes old files. Then remove that folder."
        )
        shown = "; ".join(damaged[:3]) + ("; …" if len(damaged) > 3 else "")
        yield Problem("local.base-damaged", message % {"path": path, "what": shown}, hint)


def _shared_uids() -> Iterator[Problem]:
    if os.geteuid() != 0:
        return
    first = owners.builder_uid()
    taken = [
        each.pw_name for each in pwd.getpwall() if first <= each.pw_uid < first + _RESERVED_UIDS
    ]
    if taken:
        message = _("Accounts on this machine use uids that notebooks get: %(names)s.")
        hint = _("Set PORTAL_SANDBOX_UID_BASE to the first of %(count)d free uids.")
        names = ", ".join(taken[:5])
        yield Problem("local.uids", message % {"names": names}, hint % {"count": _RESERVED_UIDS})


def _missing_limits() -> Iterator[Problem]:
    tried = _try_limits()
    if not tried.get("group"):
        yield Problem(
            "local.no-memory-group",
            _(
                "No memory cgroup can be created here, so the kernel does not limit the memory of "
                "notebooks and builds. Their keepers measure it about once a second, and unnamed "
                "files in memory (memfd) are refused."
            ),
            _(
                "Run the portal as root with a writable /sys/fs/cgroup, or as a systemd service "
                "with Delegate=memory (docs/security.md)."
            ),
        )
    if why := tried.get("namespaces", _("it could not be tried")):
        message = _(
            "The number of files in memory, file watches and terminals of a notebook is not "
            "limited: this machine does not let it have a user namespace (%(why)s)."
        )
        hint = _("Allow unprivileged user namespaces for the portal's Python, too.")
        yield Problem("local.no-namespaces", message % {"why": why}, hint)
    if not seccomp.program(platform.machine(), has_memfd=True):
        message = _("There is no system call filter for this kind of machine (%(kind)s).")
        hint = _("Run notebooks on x86_64 or aarch64, or on Kubernetes.")
        yield Problem("local.no-seccomp", message % {"kind": platform.machine()}, hint)


def _try_limits() -> dict[str, Any]:
    """Return what a keeper started now can use; one started by another service may have more."""
    folder = Path(tempfile.mkdtemp(prefix="bindery-trial-"))
    try:
        folder.chmod(0o755)
        words = keeper_command("privileges", str(folder), str(owners.builder_uid()))
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS)
        with suppress(ValueError):
            found: dict[str, Any] = json.loads(done.stdout)
            return found
    except subprocess.TimeoutExpired:
        pass
    finally:
        cgroups.remove(folder)
        shutil.rmtree(folder)
    return {}


_MAX_PATH_BYTES = 80
"""The kernel allows 107 bytes for the path of a socket; ours need up to 27 below the folder."""
_PROBE = (
    "bwrap", "--unshare-user", "--disable-userns", "--unshare-net", "--unshare-pid",
    "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true",
)  # fmt: skip


def problems(folders: Folders) -> Iterator[Problem]:
    """Yield everything that is wrong; takes a moment, so call it rarely."""
    yield from _missing_programs()
    if shutil.which("bwrap") and (why := _failure_reason(_PROBE)):
        yield no_sandbox(why)
    yield from _wrong_folder(folders)
    yield from _wrong_disk(folders)
    yield from _wrong_python(folders)


def no_sandbox(error: str, root: Path = machine.ROOT) -> Problem:
    """Return the problem of a machine without a sandbox; ``error`` is what bubblewrap wrote."""
    known = machine.refusals(error, root)
    message = _("Notebooks and builds cannot run: there is no sandbox (%(error)s).")
    if known:
        message = _("Notebooks and builds cannot run without a sandbox: %(why)s (%(error)s).")
    hints = [each.hint for each in known] or [
        _(
            "Allow unprivileged user namespaces on this machine, or use the Kubernetes back end "
            "(docs/install.md)."
        )
    ]
    words = {"error": error, "why": "; ".join(each.why for each in known)}
    nothing = _("Nothing starts without a sandbox.")
    return Problem("local.no-sandbox", message % words, " ".join([*hints, nothing]))


def _missing_programs() -> Iterator[Problem]:
    packages = {"bwrap": "bubblewrap", "socat": "socat", "git": "git", "prlimit": "util-linux"}
    for program, package in packages.items():
        if not shutil.which(program):
            yield Problem(
                f"local.no-{program}",
                _("The program %(program)s is not installed.") % {"program": program},
                _("Install the package %(package)s.") % {"package": package},
            )


def _wrong_folder(folders: Folders) -> Iterator[Problem]:
    root = str(folders.root)
    if len(os.fsencode(root)) > _MAX_PATH_BYTES:
        yield Problem(
            "local.long-path",
            _("The path of the data folder, %(folder)s, is too long.") % {"folder": root},
            _("Set PORTAL_DATA to a path of at most %(most)s bytes.") % {"most": _MAX_PATH_BYTES},
        )
    if _failure_reason(("test", "-x", root)):
        yield Problem(
            "local.data-unreachable",
            _("Notebooks' user accounts cannot reach %(folder)s.") % {"folder": root},
            _("Set PORTAL_DATA to a folder that has no root-only folder above it."),
        )


def _wrong_disk(folders: Folders) -> Iterator[Problem]:
    """Yield problems of disks; each folder may be on a disk of its own, which may be gone."""
    for folder in (folders.root, folders.run, folders.projects, folders.homes,
                   folders.environments, folders.cache):  # fmt: skip
        try:
            is_read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Problem(
                "local.disk-away",
                _("The disk of %(folder)s does not answer (%(why)s).")
                % {"folder": folder, "why": error.strerror},
                _("Mount it again; its files are unchanged."),
            )
        else:
            if is_read_only:
                yield Problem(
                    "local.disk-read-only",
                    _("The disk of %(folder)s is read-only.") % {"folder": folder},
                    _("The system's log says why; remount it read-write."),
                )


def _wrong_python(folders: Folders) -> Iterator[Problem]:
    pythons = list(interpreters(owners.builder_uid()).values())
    if not pythons:
        yield Problem(
            "local.no-python",
            _("There is no Python that notebooks can run."),
            _("Install your system's python3 package."),
        )
    elif not (folders.toolboxes / toolbox_name(pythons[0])).exists():
        yield Problem(
            "local.no-toolbox",
            _("The build tools are not installed yet."),
            _("The portal installs them when it starts; its output says what failed."),
        )


def _failure_reason(command: tuple[str, ...]) -> str:
    """Return why the command fails under the uid of builds; "" if it succeeds."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, cwd="/",
            **owners.as_user(owners.builder_uid()),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip()[-300:] or _("no reason given")


def allow_traversal(path: Path) -> None:
    """Let sandbox users pass through a folder of ours without listing it."""
    if os.geteuid() == 0:
        path.chmod(0o711)
