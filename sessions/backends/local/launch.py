"""Start keepers, through the fork server where there is one; find and tell them.

The portal's side of `keeper.forkserver`: a keeper without the time that loading one takes.

`manage.py up` runs the server and hands the socket to the worker. Without one, or where it does
not answer, `launch` starts keepers by itself: of two for one folder a lock lets one work.

Starting, finding and telling keepers, from the portal's side.
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
from .folders import parsed
from .keeper import cgroups, disks, jobs, status

HERE = Path(__file__).resolve().parent
VARIABLE = "BINDERY_FORK_SERVER"
"""Names, in the worker's environment, the descriptor of its socket."""
LOOKS = 10


def python(entry: str, *words: str) -> list[str]:
    """Return the command that runs ``entry`` of the keeper's package with these arguments.

    Its environment is made from nothing: the portal's has secrets, and keepers run under the uid
    of the strangers' code that they start.
    """
    nothing_else = ["env", "-i", f"PATH={os.environ.get('PATH', os.defpath)}", "LANG=C.UTF-8"]
    program = f"import sys; sys.path[:0] = sys.argv[1:3]; from keeper.{entry} import main; main()"
    words = (str(HERE), str(HERE.parents[2]), *words)
    return [*nothing_else, sys.executable, "-I", "-S", "-c", program, *words]


@contextmanager
def doors() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A pair of sockets, to be handed on: the server's, and that of those who ask."""
    inside, outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with inside, outside:
        yield inside, outside


def server(door: socket.socket) -> Sequence[str]:
    """The command of the server, which is to inherit its socket."""
    return python("forkserver", str(door.fileno()))


def is_frozen(door: socket.socket) -> bool:
    """Whether the server leaves things lying, which it takes at once; waits for it a little."""
    for _look in range(LOOKS):
        if not int.from_bytes(fcntl.ioctl(door, termios.TIOCOUTQ, bytes(4)), sys.byteorder):
            return False
        time.sleep(0.05)
    return True


def ask(folder: Path, uid: int, secret: str) -> tuple[int, str] | None:
    """Have a keeper started; its exit code and what it said until it was alone. None where nobody
    has answered: it may have been started all the same."""
    asked = door()
    if asked is None:
        return None
    given = os.memfd_create("given")
    mine, theirs = socket.socketpair()
    with mine, theirs:
        try:
            with open(given, "r+b") as file:
                file.write(secret.encode())
                file.seek(0)
                message = os.fsencode(f"{uid} {folder}")
                socket.send_fds(asked, [message], [given, theirs.fileno()], socket.MSG_DONTWAIT)
            theirs.close()
            return _answer(mine)
        except OSError:
            return None


def _answer(asked: socket.socket) -> tuple[int, str] | None:
    asked.settimeout(settings.PORTAL_FORK_SECONDS)
    said = b""
    while b"\0" not in said:
        piece = asked.recv(65536)
        if not piece:
            return None
        said += piece
    text, _nul, code = said.rpartition(b"\0")
    return int(code), text.decode(errors="replace")


@cache
def door() -> socket.socket | None:
    """That of this process, if it was handed one."""
    number = os.environ.get(VARIABLE)
    return socket.socket(fileno=int(number)) if number else None


_SECONDS = 30

CANCEL = "cancel"
REMOVE = "remove"


def start(
    folder: Path, uid: int, job: jobs.BuildJob | jobs.ServerJob, key: jobs.Key | None = None
) -> None:
    """Have a keeper do the job, unless one is at it already. The lock is taken on return.

    ``key`` is handed over without a file, a word or a variable that others could read.
    """
    if alive(folder):
        return
    owners.folder(folder, uid, 0o700)
    owners.folder(folder / "io", uid, 0o700)
    jobs.write(folder, job, uid if os.geteuid() == 0 else None)
    secret = jobs.sent(key)
    code, said = ask(folder, uid, secret) or _run(folder, uid, secret)
    if code:
        raise InternalError("local.keeper", f"The keeper did not start: {said[-500:]}")


def _run(folder: Path, uid: int, secret: str) -> tuple[int, str]:
    words = python("main", str(folder), str(uid))
    done = subprocess.run(words, input=secret, capture_output=True, text=True, timeout=_SECONDS)
    return done.returncode, done.stderr


def say_built(folder: Path, uid: int, pack: str) -> None:
    """Write the status of a build whose environment is there, and of whose keeper nothing is."""
    owners.folder(folder, uid, 0o700)
    status.write(folder, status.Status(state=status.ENDED, pack=pack))


def alive(folder: Path) -> bool:
    """Whether a keeper works there."""
    return status.held(folder / "lock")


def tell(folder: Path, wish: str) -> None:
    """Have the keeper end; the file ``wish`` tells one that takes no signals yet."""
    with suppress(FileNotFoundError):
        _note(folder / wish)
        _signal(status.read(folder), signal.SIGTERM)


def end(folder: Path, wish: str) -> None:
    """End the keeper at once, whatever it does; its sandbox ends with it. ``wish`` as in `tell`."""
    with suppress(FileNotFoundError):
        _note(folder / wish)
        _signal(status.read(folder), signal.SIGKILL)


def _note(wish: Path) -> None:
    """On a disk that takes nothing the signal alone has to do; it is sent again with the wish."""
    try:
        wish.touch()
    except OSError as error:
        if error.errno not in disks.NOT_NOW:
            raise


def all_of(run: Path, kind: str) -> Iterator[tuple[int, Path]]:
    """Number and folder of each keeper of a kind; what was to end and has is removed now."""
    for entry in sorted(os.listdir(run) if run.exists() else []):
        found = parsed(entry)
        if not found or found[0] != kind:
            continue
        folder = run / entry
        if alive(folder):
            yield found[1], folder
        elif (folder / REMOVE).exists():
            with suppress(OSError):  # the disk refuses: the next look does it
                removal.drop(folder)
                cgroups.remove(folder)
        elif not _begins(folder):
            yield found[1], folder


def living(run: Path) -> Iterator[str]:
    """Yield the names of the folders in which a keeper works."""
    for name in os.listdir(run) if run.exists() else []:
        if parsed(name) and alive(run / name):
            yield name


def _begins(folder: Path) -> bool:
    """Whether the keeper is on its way: without a lock yet, but not given up either."""
    try:
        young = time.time() - folder.stat().st_mtime < 2 * _SECONDS
    except FileNotFoundError:
        return True
    return young and not (folder / status.FILE).exists()


def _signal(found: status.Status, number: signal.Signals) -> None:
    """A signal for the very process that wrote the status, never for one with the same id."""
    try:
        process = os.pidfd_open(found.pid)
    except (OSError, ValueError):
        return
    try:
        if found.pid and status.started(found.pid) == found.started:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, number)
    finally:
        os.close(process)
