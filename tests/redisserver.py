"""A Redis of a test's own, which can be stopped at any time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.harness.ports import free_port
from tests.stack import eventually


@contextmanager
def redis_server(
    folder: Path, *, port: bool = False
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a Redis; yield its address and its process. It listens on a socket, or on a port."""
    path, number = folder / "socket", free_port() if port else 0
    command = ["redis-server", "--port", str(number), "--unixsocket", str(path)]
    command += ["--dir", str(folder), "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        eventually(path.exists, within=20, what="Redis")
        yield f"redis://127.0.0.1:{number}" if port else f"unix://{path}", server
    finally:
        server.kill()
        server.wait()
