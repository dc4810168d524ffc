"""Detach a keeper's process, drop its privileges, and put namespaces around its sandbox.

A user and a mount namespace are for limits that bubblewrap has no option for. `program` enters them
between fork and exec, so they cost no further program. A user namespace has its own counts of what
a machine otherwise counts per user, and its in-memory folders and terminals get a maximum number of
files. bubblewrap then makes its own namespaces below and cannot exceed these limits, nor can
anything in the sandbox. Standard library only.

As a program, it tries which of these limits and of those of `cgroups` this machine allows a keeper.
The arguments are a folder that can be mounted on and the uid of sandboxes; the answer is a line of
JSON for the operator: ``group`` says whether there is a memory cgroup, and ``namespaces`` why there
are no namespaces with limits, "" if there are.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from . import cgroups

CAP_CHOWN, CAP_FOWNER = 0, 3
_CAPABILITY_VERSION = 0x20080522
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS = 1, 8
_PR_SET_NO_NEW_PRIVS = 38
_OOM_SCORE_ADJ = "500"
_OPEN_FILES = 4096

_libc = ctypes.CDLL(None, use_errno=True)


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


def drop(uid: int, keep: Sequence[int] = ()) -> None:
    """Give up root for ``uid`` (and its group) irrevocably; an ordinary user stays as is.

    Root keeps only the capabilities ``keep``. Everything needed later must be imported already.
    When memory is short, the kernel kills sandboxes before the portal. Exits if root cannot be
    given up.
    """
    os.umask(0o022)
    files = min(_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE_ADJ)
    if os.geteuid() == 0:
        if keep:
            _check_result(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        if keep:
            _set_capabilities(keep)
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or os.geteuid() == 0:
        sys.exit("The keeper could not drop its privileges.")


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, unless that has ended already."""
    _check_result(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def _set_capabilities(numbers: Sequence[int]) -> None:
    """Set the effective and permitted capabilities, and none that a program would inherit."""
    bits = sum(1 << number for number in numbers)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _check_result(_libc.capset(header, (ctypes.c_uint32 * 6)(bits, bits)))


FOLDERS = {"tmp": "/tmp", "shm": "/dev/shm", "run": "/run"}
"""In-memory folders: where each is mounted below ``memory``, and where the sandbox sees it."""
TERMINALS = "pts"
"""Folder of the terminals below ``memory``, which the sandbox sees at /dev/pts."""
BYTES_OF_INODE = 1024
"""Bytes that a file in memory takes besides its content, name included: 0.6 to 1 kB."""

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_PTS = b"newinstance,ptmxmode=0666,mode=620,max=64"
"""A machine has 4,096 terminals in all, so each sandbox gets its own limit."""
_PR_SET_DUMPABLE = 4
_LIMIT_DIVISOR = 8
"""A sandbox gets a user's limit on the machine, divided by this."""
_USER_LIMITS = {
    "max_inotify_instances": "/proc/sys/fs/inotify/max_user_instances",
    "max_inotify_watches": "/proc/sys/fs/inotify/max_user_watches",
}
_MAX_USER_NAMESPACES = "2"
"""Maximum user namespaces: bubblewrap's own, and the one with which it forbids more inside."""


def enter(memory: Path, size: int, files: int) -> None:
    """Enter them, and mount the in-memory folders, of ``size`` bytes and ``files`` each.

    Raises `OSError` if the machine does not allow it.
    """
    uid, gid = os.getuid(), os.getgid()
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # otherwise root would own its entries in /proc
    _check_result(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    with suppress(OSError):  # a container may see /proc/sys read-only
        _limit()
    for name in FOLDERS:
        options = f"size={size},nr_inodes={files},mode={'755' if name == 'run' else '1777'}"
        target = os.fsencode(memory / name)
        flags = _MS_NOSUID | _MS_NODEV
        _check_result(_libc.mount(b"tmpfs", target, b"tmpfs", flags, options.encode()))
    target = os.fsencode(memory / TERMINALS)
    _check_result(_libc.mount(b"devpts", target, b"devpts", _MS_NOSUID | _MS_NOEXEC, _PTS))


def prepare(memory: Path) -> None:
    """Make the mount points for `enter` in the folder ``memory``. Raises `OSError`."""
    for name in (*FOLDERS, TERMINALS):
        (memory / name).mkdir(parents=True, exist_ok=True)


def _limit() -> None:
    Path("/proc/sys/user/max_user_namespaces").write_text(_MAX_USER_NAMESPACES)
    for name, of_machine in _USER_LIMITS.items():
        most = int(Path(of_machine).read_text()) // _LIMIT_DIVISOR
        Path("/proc/sys/user", name).write_text(str(most))


def _check_result(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_ENOUGH = 1_000_000_000


def main() -> None:
    """Try cgroup and namespaces for the folder and uid of the arguments, and print the answer."""
    folder, uid = Path(sys.argv[-2]), int(sys.argv[-1])
    group = cgroups.make(folder, _ENOUGH, uid)
    prepare(folder)
    drop(uid)
    try:
        enter(folder, 1_000_000, 100)
    except OSError as error:
        why = error.strerror or str(error)
    else:
        why = ""
    sys.stdout.write(json.dumps({"group": group is not None, "namespaces": why}) + "\n")
