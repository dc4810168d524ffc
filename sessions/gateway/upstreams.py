"""Connections to notebook servers, kept open between requests.

There is one client per address, and only the most recently used ones are kept. A notebook that is
gone has no connections left, and its client is closed when others need the place.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import (
    BaseConnector,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    UnixConnector,
)
from yarl import URL

MOST = 256
CONNECT_WITHIN = 5.0
LONGEST_HEADER = 65536
UNSENT = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that the client would add by itself; only headers that the browser sent are passed on."""


@dataclass(slots=True)
class Upstream:
    """An HTTP client for one notebook server; ``base`` is the URL in front of a path."""

    client: ClientSession
    base: str
    address: str
    users: int = 0

    def url(self, target: str) -> URL:
        """Return the URL of a path and query, without re-encoding them."""
        return URL(self.base + target, encoded=True)

    async def connect(self, limit: int) -> tuple[StreamReader, StreamWriter]:
        """Open a separate connection, whose reader buffers up to ``limit`` bytes."""
        kind, _colon, path = self.address.partition(":")
        async with asyncio.timeout(CONNECT_WITHIN):
            if kind == "unix":
                return await asyncio.open_unix_connection(path, limit=limit)
            host, port = URL(self.address).host, URL(self.address).port
            return await asyncio.open_connection(host, port, limit=limit)


class Upstreams:
    """The clients of one process, by address."""

    def __init__(self) -> None:
        self._known: dict[str, Upstream] = {}

    @asynccontextmanager
    async def at(self, address: str) -> AsyncIterator[Upstream]:
        """Yield the upstream at ``unix:/path`` or ``http://host:port``; keep it open meanwhile."""
        upstream = self._known.pop(address, None) or _open(address)
        self._known[address] = upstream  # the last one is the most recently used
        upstream.users += 1
        try:
            await self._close_surplus()
            yield upstream
        finally:
            upstream.users -= 1

    async def close(self) -> None:
        """Close all clients."""
        while self._known:
            await self._known.popitem()[1].client.close()

    async def _close_surplus(self) -> None:
        while len(self._known) > MOST:
            idle = next((key for key, each in self._known.items() if not each.users), None)
            if idle is None:
                return
            await self._known.pop(idle).client.close()


def reach(address: str) -> tuple[BaseConnector, str]:
    """Return a connector to the server at this address, and the base URL for paths there."""
    kind, _colon, path = address.partition(":")
    if kind == "unix":
        return UnixConnector(path, limit=0), "http://notebook"
    return TCPConnector(limit=0), address


def _open(address: str) -> Upstream:
    connector, base = reach(address)
    client = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=UNSENT,
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_WITHIN),
        max_line_size=LONGEST_HEADER,
        max_field_size=LONGEST_HEADER,
    )
    return Upstream(client, base, address)
