"""The program that serves a person's files, in this process, at an address of its own."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from sessions.backends import PersonFiles
from sessions.backends.kubernetes.homes import serve

ADDRESS = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""The port is always the same, so each process has another address of the loopback."""


OpenFiles = Callable[[str, ExitStack], PersonFiles]


@contextmanager
def serving(
    volume: Path,
    token: str = "token",
    open_files: OpenFiles | None = None,
    *,
    address: tuple[str, int] = (ADDRESS, serve.PORT),
) -> Iterator[serve.Server]:
    """Serve the volume to whoever has the token; ``open_files`` opens it in another way."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    open_files = open_files or partial(serve.open_files, str(volume))
    with serve.Server(serve.listen(*address), digest, open_files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
