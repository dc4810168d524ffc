"""Start keepers, through the fork server where there is one; find and tell them.

The fork server (`keeper.forkserver`) starts a keeper without the time that loading one takes.
`manage.py up` runs it and hands its socket to the worker. Without one, or if it does not answer,
`start` runs a keeper itself: of two for one folder, a lock lets only one work.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from django.conf import settings

from sessions.errors import InternalError

from . import owners, removal
from .folders import parse_run_folder
from .keeper import cgroups, files, jobs, keeper_command, status

FORK_SERVER_VARIABLE = "BINDERY_FORK_SERVER"
"""The worker's environment variable with the file descriptor of the server's socket."""
FROZEN_CHECKS = 10


@contextmanager
def fork_server_sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield a pair of sockets to pass on: the server's, and its clients'."""
    inside, outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with inside, outside:
        yield inside, outside


def fork_server_command(server_socket: socket.socket) -> Sequence[str]:
    """Return the command of the server, which has to inherit its socket."""
    return keeper_command("forkserver", str(server_socket.fileno()))


def is_frozen(client_socket: socket.socket) -> bool:
    """Return whether the server leaves requests unread, which it takes at once; waits a little."""
    for _look in range(FROZEN_CHECKS):
        if not int.from_bytes(
            fcntl.ioctl(client_socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder
        ):
            return False
        time.sleep(0.05)
    return True


def request_start(folder: Path, uid: int, secret: str) -> tuple[int, str] | None:
    """Have the server start a keeper; return its exit code and its output until it detached.

    None if there was no answer: it may have been started all the same.
    """
    client = fork_server_client()
    if client is None:
        return None
    given = os.memfd_create("given")
    mine, theirs = socket.socketpair()
    with mine, theirs:
        try:
            with open(given, "r+b") as file:
                file.write(secret.encode())
                file.seek(0)
                message = os.fsencode(f"{uid} {folder}")
                socket.send_fds(client, [message], [given, theirs.fileno()], socket.MSG_DONTWAIT)
            theirs.close()
            return _read_reply(mine)
        except OSError:
            return None


def _read_reply(reply: socket.socket) -> tuple[int, str] | None:
    reply.settimeout(settings.PORTAL_FORK_SECONDS)
    said = b""
    while b"\0" not in said:
        piece = reply.recv(65536)
        if not piece:
            return None
        said += piece
    text, _nul, code = said.rpartition(b"\0")
    return int(code), text.decode(errors="replace")


@cache
def fork_server_client() -> socket.socket | None:
    """Return this process's socket to the server, if it was given one."""
    number = os.environ.get(FORK_SERVER_VARIABLE)
    return socket.socket(fileno=int(number)) if number else None


_SECONDS = 30

CANCEL = "cancel"
REMOVE = "remove"


def start(
    folder: Path, uid: int, job: jobs.BuildJob | jobs.ServerJob, key: jobs.Key | None = None
) -> None:
    """Start a keeper for the job, unless one is working on it. The lock is taken on return.

    ``key`` is passed without a file, an argument or a variable that others could read. Raises
    `InternalError` if the keeper does not start.
    """
    if is_alive(folder):
        return
    owners.make_folder(folder, uid, 0o700)
    owners.make_folder(folder / "io", uid, 0o700)
    jobs.write(folder, job, uid if os.geteuid() == 0 else None)
    secret = jobs.dump_key(key)
    code, said = request_start(folder, uid, secret) or _run(folder, uid, secret)
    if code:
        raise InternalError("local.keeper", f"The keeper did not start: {said[-500:]}")


def _run(folder: Path, uid: int, secret: str) -> tuple[int, str]:
    words = keeper_command("main", str(folder), str(uid))
    done = subprocess.run(words, input=secret, capture_output=True, text=True, timeout=_SECONDS)
    return done.returncode, done.stderr


def write_built_status(folder: Path, uid: int, buildpack: str) -> None:
    """Write the status of a build whose environment exists and that has no keeper."""
    owners.make_folder(folder, uid, 0o700)
    status.write(folder, status.Status(state=status.ENDED, pack=buildpack))


def is_alive(folder: Path) -> bool:
    """Return whether a keeper works there."""
    return status.is_locked(folder / status.LOCK)


def request_stop(folder: Path, marker: str) -> None:
    """Tell the keeper to end; the file ``marker`` tells one that takes no signals yet."""
    with suppress(FileNotFoundError):
        _touch_marker(folder / marker)
        _signal(folder, signal.SIGTERM)


def kill(folder: Path, marker: str) -> None:
    """Kill the keeper at once; its sandbox ends with it. ``marker`` as in `request_stop`."""
    with suppress(FileNotFoundError):
        _touch_marker(folder / marker)
        _signal(folder, signal.SIGKILL)


def _touch_marker(marker: Path) -> None:
    """Leave the file. On a full or read-only disk only the signal is sent, again with each call."""
    try:
        marker.touch()
    except OSError as error:
        if error.errno not in files.RETRYABLE_ERRNOS:
            raise


def list_keepers(run: Path, kind: str) -> Iterator[tuple[int, Path]]:
    """Yield number and folder of each keeper of a kind.

    Those that were to be removed and have ended are removed now.
    """
    for entry in sorted(run_folders(run)):
        found = parse_run_folder(entry)
        if not found or found[0] != kind:
            continue
        folder = run / entry
        if is_alive(folder) or not (finish_removal(folder) or is_starting(folder)):
            yield found[1], folder


def finish_removal(folder: Path) -> bool:
    """Remove the folder of a keeper that has ended if it was to be; return whether it was to be."""
    if is_alive(folder) or not (folder / REMOVE).exists():
        return False
    with suppress(OSError):  # the disk refuses it; the next check retries
        removal.drop(folder)
        cgroups.remove(folder)
    return True


def running_folders(run: Path) -> Iterator[str]:
    """Yield the names of the folders in which a keeper works."""
    for name in run_folders(run):
        if is_alive(run / name):
            yield name


def run_folders(run: Path) -> set[str]:
    """Return the names of keepers' folders; anything else of such a name is not the portal's."""
    try:
        with os.scandir(run) as entries:
            return {
                each.name
                for each in entries
                if parse_run_folder(each.name) and each.is_dir(follow_symlinks=False)
            }
    except FileNotFoundError:
        return set()


def is_starting(folder: Path) -> bool:
    """Return whether the keeper is starting: without a lock yet, but not given up either."""
    try:
        age = time.time() - folder.stat().st_mtime  # below 0 if the clock was set back
    except FileNotFoundError:
        return True
    return abs(age) < 2 * _SECONDS and not os.path.lexists(folder / status.FILE)


def _signal(folder: Path, number: signal.Signals) -> None:
    """Send a signal to the keeper, never to another process with the same pid."""
    pid, started = status.read_holder(folder)
    try:
        process = os.pidfd_open(pid)
    except (OSError, ValueError, OverflowError):
        return
    try:
        if pid and status.process_start_time(pid) == started:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, number)
    finally:
        os.close(process)
