"""How a keeper becomes a process of its own: detached, without rights, without the portal."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

_PR_SET_NO_NEW_PRIVS = 38
_SOONER_THAN_THE_PORTAL = "500"
_OPEN_FILES = 4096


def detach(errors: Path) -> None:
    """Go on in a grandchild that has a session of its own; the caller's process exits.

    What it writes to its standard streams afterwards is found in the file ``errors``.
    """
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    kept = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream, target in ((0, null), (1, kept), (2, kept)):
        os.dup2(target, stream)
    os.chdir("/")


def drop(uid: int) -> None:
    """Give up root for ``uid`` (and its group), and every way back; an ordinary user stays.

    Everything that is needed later must be imported already. When memory is short the
    machine ends what runs in sandboxes before it ends the portal.
    """
    os.umask(0o022)
    files = min(_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    Path("/proc/self/oom_score_adj").write_text(_SOONER_THAN_THE_PORTAL)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or os.geteuid() == 0:
        sys.exit("The keeper could not give up its rights.")
