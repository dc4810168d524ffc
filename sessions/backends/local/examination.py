"""What may go wrong on this machine later, for `portal.doctor`; what is wrong now is `health`'s."""

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

from . import forking, people
from .keeper import cgroups, seccomp

_PEOPLE = 100_000
"""As many uids are kept free for people's notebooks."""
_SECONDS = 20


def examine() -> Iterator[Problem]:
    """Whether the uids of builds and notebooks are nobody else's, and which limits hold."""
    yield from _shared_uids()
    yield from _missing_limits()


def _shared_uids() -> Iterator[Problem]:
    if os.geteuid() != 0:
        return
    first = people.builder()
    taken = [each.pw_name for each in pwd.getpwall() if first <= each.pw_uid < first + _PEOPLE]
    if taken:
        message = _("Accounts of this machine have uids that notebooks get, too: %(names)s.")
        hint = _("Set PORTAL_SANDBOX_UID_BASE to where %(count)d uids are free.")
        names = ", ".join(taken[:5])
        yield Problem("local.uids", message % {"names": names}, hint % {"count": _PEOPLE})


def _missing_limits() -> Iterator[Problem]:
    tried = _tried()
    if not tried.get("group"):
        yield Problem(
            "local.no-memory-group",
            _(
                "No memory cgroup can be made here, so the kernel does not bound the memory of"
                " notebooks and builds. Their keepers count it about each second, and files in"
                " memory without a name (memfd) are refused."
            ),
            _(
                "Run the portal as root where /sys/fs/cgroup can be written, or as a service of"
                " systemd with Delegate=memory (docs/security.md)."
            ),
        )
    if why := tried.get("namespaces", _("it could not be tried")):
        message = _(
            "The number of files in memory, file watches and terminals of a notebook is not"
            " bounded: this machine makes no user namespace for it (%(why)s)."
        )
        hint = _("Allow unprivileged user namespaces for the portal's Python as well.")
        yield Problem("local.no-namespaces", message % {"why": why}, hint)
    if not seccomp.program(platform.machine(), has_memfd=True):
        message = _("There is no filter of system calls for this kind of machine (%(kind)s).")
        hint = _("Run notebooks on x86_64 or aarch64, or on Kubernetes.")
        yield Problem("local.no-seccomp", message % {"kind": platform.machine()}, hint)


def _tried() -> dict[str, Any]:
    """Return what a keeper meets that begins now; one of another service may meet more."""
    folder = Path(tempfile.mkdtemp(prefix="bindery-trial-"))
    try:
        folder.chmod(0o755)
        words = forking.python("trial", str(folder), str(people.builder()))
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
