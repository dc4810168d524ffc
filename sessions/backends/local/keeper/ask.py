"""One HTTP request to a notebook server on its unix socket."""

from __future__ import annotations

import asyncio

_SECONDS = 5


async def ask(socket: str, method: str, path: str, token: str) -> int:
    """The status of the answer, or 0 where none comes within seconds."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await _asked(socket, f"{method} {path}", token)
    except (OSError, TimeoutError, ValueError, IndexError):
        return 0


async def _asked(socket: str, request: str, token: str) -> int:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        head = f"{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {token}\r\n"
        writer.write(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
