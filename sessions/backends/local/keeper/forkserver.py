"""Fork keepers quickly from a process that has loaded everything they need.

`keeper_processes` sends it requests, through a socket that only the portal's own processes hold. A
message is one keeper: its uid and its run folder, and with it two descriptors: the keeper's
standard input, and a socket for its output until it detaches, ended by NUL and its exit code. The
server has no state: it can be replaced at any time.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import sys
from pathlib import Path

from .main import run_keeper

MAX_MESSAGE_BYTES = 8192
"""Bytes; a path has at most half as many."""


def main() -> None:
    """Serve the socket whose descriptor is the last argument.

    Returns when no client is left, and in each keeper at its end.
    """
    server = socket.socket(fileno=int(sys.argv[-1]))
    gc.collect()
    gc.freeze()  # so that keepers keep sharing the memory of loaded modules
    while True:
        message, descriptors, _flags, _from = socket.recv_fds(server, MAX_MESSAGE_BYTES, 2)
        if not message:
            return
        if len(descriptors) != 2:
            continue
        uid, _blank, folder = os.fsdecode(message).partition(" ")
        with socket.socket(fileno=descriptors[1]) as asker:
            if not _is_connected(asker):
                os.close(descriptors[0])
                continue
            child = os.fork()
            if not child:
                server.close()
                _redirect_streams(descriptors[0], asker)
                break
            os.close(descriptors[0])
            _send_exit_code(asker, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    run_keeper(Path(folder), int(uid))


def _is_connected(client: socket.socket) -> bool:
    """Return whether the client still waits; one that gave up has started a keeper itself."""
    state = select.poll()
    state.register(client, 0)
    return not state.poll(0)


def _redirect_streams(stdin: int, client: socket.socket) -> None:
    for descriptor, stream in ((stdin, 0), (client.fileno(), 1), (client.fileno(), 2)):
        os.dup2(descriptor, stream)
    os.close(stdin)


def _send_exit_code(client: socket.socket, code: int) -> None:
    try:
        client.sendall(b"\0%d" % code)
    except OSError:
        return  # it has given up by now, and checks the lock
