"""The portal's side of `keeper.forkserver`: a keeper without the time that loading one takes.

`manage.py up` runs the server and hands the socket to the worker. Without one, or where it does
not answer, `launch` starts keepers by itself: of two for one folder a lock lets one work.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from django.conf import settings

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
