"""A Redis of a test's own, which can be stopped at any time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack import eventually


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a Redis; yield its address and its process."""
    path = folder / "socket"
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    server = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
    try:
        eventually(path.exists, within=20, what="Redis")
        yield f"unix://{path}", server
    finally:
        server.kill()
        server.wait()
