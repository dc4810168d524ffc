"""Stand-ins for notebook servers, each of which gives one kind of good or bad answer."""

from __future__ import annotations

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

Manner = Callable[[StreamReader, StreamWriter], Awaitable[None]]


def saying(body: bytes, status: str = "200 OK", *headers: str, pause: float = 0) -> Manner:
    """Answer with this body and these headers, after ``pause`` seconds."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]

    async def say(reader: StreamReader, writer: StreamWriter) -> None:
        await asyncio.sleep(pause)
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return say


def repeating(head: bytes, piece: bytes, pause: float = 0) -> Manner:
    """Begin with ``head``, then repeat ``piece`` without an end."""

    async def repeat(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return repeat


async def silent(reader: StreamReader, writer: StreamWriter) -> None:
    """Read the request and never answer."""
    await reader.read()


async def closing(reader: StreamReader, writer: StreamWriter) -> None:
    """Hang up without an answer."""


class Servers:
    """Any number of servers, in a thread of their own. ``heads`` are the requests that came."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self._listening: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def add(self, manner: Manner, socket: Path | None = None) -> str:
        """Start a server, at a Unix socket or at a port of its own, and return its address."""
        return asyncio.run_coroutine_threadsafe(self._serve(manner, socket), self._loop).result(10)

    async def _serve(self, manner: Manner, socket: Path | None) -> str:
        async def meet(reader: StreamReader, writer: StreamWriter) -> None:
            try:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                await manner(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass  # the one who asks has hung up
            finally:
                writer.close()

        if socket:
            self._listening.append(await asyncio.start_unix_server(meet, socket))
            return f"unix:{socket}"
        server = await asyncio.start_server(meet, "127.0.0.1", 0, backlog=1024)
        self._listening.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _close(self) -> None:
        for server in self._listening:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
