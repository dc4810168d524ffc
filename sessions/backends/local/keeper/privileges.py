"""Detach a keeper's process and drop its privileges."""

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
    """Continue in a grandchild with a session of its own; the caller's process exits.

    Later output to the standard streams goes to the file ``errors``.
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
    """Give up root for ``uid`` (and its group) irrevocably; an ordinary user stays as is.

    Everything needed later must be imported already. When memory is short, the kernel kills
    sandboxes before the portal.
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
