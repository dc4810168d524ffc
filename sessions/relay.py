"""Bytes passed both ways between two open connections, for `egress`. Standard library only."""

from __future__ import annotations

import asyncio
from contextlib import suppress

HEAR_OUT_SECONDS = 2
CLOSE_SECONDS = 10
SILENT_SECONDS = 900
HALF_CLOSED_SECONDS = 120
CHUNK_BYTES = 64 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def close(writer: asyncio.StreamWriter) -> None:
    """Close an end; one that does not take what is left for it is cut off."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    except OSError:
        writer.transport.abort()


async def hear_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take what the other end still sends after the last word to it, for a moment.

    To close with bytes unread would reset the connection, and the last word would be lost.
    """
    with suppress(OSError):
        async with asyncio.timeout(HEAR_OUT_SECONDS):
            writer.write_eof()
            while await reader.read(CHUNK_BYTES):
                pass


class _Pump:
    """One direction of a connection: what comes in at one end goes out at the other."""

    def __init__(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self.source, self.sink, self.moved = source, sink, 0

    async def run(self) -> None:
        while chunk := await self.source.read(CHUNK_BYTES):
            self.moved += len(chunk)
            self.sink.write(chunk)
            await self.sink.drain()
        if self.sink.can_write_eof():
            self.sink.write_eof()


async def relay(client: Streams, upstream: Streams, *, tunnel: bool) -> None:
    """Pass bytes both ways until both ends are done, or silent for too long.

    A plain request is over with its answer; in a tunnel either end may stop sending first.
    """
    up, down = _Pump(client[0], upstream[1]), _Pump(upstream[0], client[1])
    answer = asyncio.create_task(down.run())
    running = {asyncio.create_task(up.run()), answer}
    seen = -1
    try:
        while running and (tunnel or answer in running):
            limit = SILENT_SECONDS if len(running) == 2 else HALF_CLOSED_SECONDS
            done, running = await asyncio.wait(
                running, timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
            failed = [task.exception() for task in done]
            if any(failed) or (not done and seen == up.moved + down.moved):
                break
            seen = up.moved + down.moved
    finally:
        for task in running:
            task.cancel()
