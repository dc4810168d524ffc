"""Keep connections to notebook servers, bound what waits in them, and end them with access.

`UpstreamPool` has one client per address, whose connections stay open between requests, and only
the most recently used ones are kept. A notebook that is gone has no connections left, and its
client is closed when others need the place.

`BlockedWriters` bounds the memory of a process. Data that passes through a socket is in memory only
until its reader takes it. Each direction that waits holds at most `MAX_BUFFERED_BYTES` bytes, and
at most `MAX_BLOCKED` of them wait at once. If there are more, the notebook with the most of them
loses the one that has waited longest: a visitor who causes many slows nobody else down.

`ConnectionTracker` ends what is being passed on when access ends. Access that is taken away
(sign-out, disabled account, stopped or deleted project) must not live on in a socket that was
opened before. Every `PORTAL_GATEWAY_RECHECK` seconds all credentials in use are checked again, in
one go, and connections whose credentials are no longer good are closed.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import cast

from aiohttp import (
    BaseConnector,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    UnixConnector,
)
from django.conf import settings
from yarl import URL

from .authorize import AuthorizationCache, Credential, Decision

MAX_CLIENTS = 256
CONNECT_TIMEOUT = 5.0
MAX_HEADER_BYTES = 65536
SKIPPED_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that the client would add itself; only headers that the browser sent are passed on."""


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
        async with asyncio.timeout(CONNECT_TIMEOUT):
            if kind == "unix":
                return await asyncio.open_unix_connection(path, limit=limit)
            host, port = URL(self.address).host, URL(self.address).port
            return await asyncio.open_connection(host, port, limit=limit)


class UpstreamPool:
    """The clients of one process, by address."""

    def __init__(self) -> None:
        self._known: dict[str, Upstream] = {}

    @asynccontextmanager
    async def acquire(self, address: str) -> AsyncIterator[Upstream]:
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
        while len(self._known) > MAX_CLIENTS:
            idle = next((key for key, each in self._known.items() if not each.users), None)
            if idle is None:
                return
            await self._known.pop(idle).client.close()


def connector_for(address: str) -> tuple[BaseConnector, str]:
    """Return a connector to the server at this address, and the base URL for paths there."""
    kind, _colon, path = address.partition(":")
    if kind == "unix":
        return UnixConnector(path, limit=0), "http://notebook"
    return TCPConnector(limit=0), address


def _open(address: str) -> Upstream:
    connector, base = connector_for(address)
    client = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=SKIPPED_HEADERS,
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    return Upstream(client, base, address)


MAX_BLOCKED = 200
MAX_BUFFERED_BYTES = 640 * 1024
"""Bytes: the limit for a piece read, for unsent output, and for input read ahead."""

GiveUp = Callable[[], None]


class BlockedWriters:
    """The waiting directions of sockets, by project, longest first. One per process."""

    def __init__(self) -> None:
        self._count = 0
        self._waiting: dict[int, dict[GiveUp, int]] = {}

    @contextmanager
    def blocked(self, project_id: int, give_up: GiveUp) -> Iterator[None]:
        """Count one direction for as long as it waits; ``give_up`` closes its socket."""
        those = self._waiting.setdefault(project_id, {})
        those[give_up] = those.get(give_up, 0) + 1
        self._count += 1
        if self._count > MAX_BLOCKED:
            largest = max(self._waiting.values(), key=len)
            next(iter(largest))()
        try:
            yield
        finally:
            self._count -= 1
            those[give_up] -= 1
            if not those[give_up]:
                del those[give_up]
            if not those and self._waiting.get(project_id) is those:
                del self._waiting[project_id]


log = logging.getLogger(__name__)


MAX_CONNECTIONS = 256
"""Maximum open requests and sockets per notebook and process."""


class TooManyConnections(Exception):
    """Raised if a notebook has `MAX_CONNECTIONS` open already."""


class Connection:
    """One open request or socket. ``cancelled`` means that it was ended from outside."""

    __slots__ = ("cancelled", "project_id", "task")

    def __init__(self, project_id: int) -> None:
        self.project_id = project_id
        self.task = cast("asyncio.Task[None]", asyncio.current_task())
        self.cancelled = False

    def cancel(self) -> None:
        """Cancel the request or socket, wherever it waits."""
        if not self.cancelled:
            self.cancelled = True
            self.task.cancel()


class ConnectionTracker:
    """The open requests and sockets of one process, by credential."""

    def __init__(self, authorizations: AuthorizationCache) -> None:
        self._authorizations = authorizations
        self._open: dict[Credential, set[Connection]] = {}
        self._counts: Counter[int] = Counter()
        self._recheck_task: asyncio.Task[None] | None = None

    @contextmanager
    def track(self, credential: Credential, project_id: int) -> Iterator[Connection]:
        """Track a request or socket for the length of the block.

        If the connection was ended from outside, execution continues after the block.

        Raises `TooManyConnections` if the notebook has `MAX_CONNECTIONS` open already.
        """
        if self._counts[project_id] >= MAX_CONNECTIONS:
            raise TooManyConnections
        connection = Connection(project_id)
        self._counts[project_id] += 1
        connections = self._open.setdefault(credential, set())
        connections.add(connection)
        if self._recheck_task is None or self._recheck_task.done():
            self._recheck_task = asyncio.create_task(self._recheck())
        try:
            yield connection
        except asyncio.CancelledError:
            if not connection.cancelled:
                raise
            connection.task.uncancel()
        finally:
            self._counts[project_id] -= 1
            if not self._counts[project_id]:
                del self._counts[project_id]
            connections.discard(connection)
            if not connections and self._open.get(credential) is connections:
                del self._open[credential]

    async def _recheck(self) -> None:
        while self._open:
            await asyncio.sleep(settings.PORTAL_GATEWAY_RECHECK)
            try:
                authorizations = await self._authorizations.refresh(list(self._open))
            except Exception:
                log.exception("cannot check whether open notebooks may stay open; trying again")
                continue
            for credential, authorization in authorizations.items():
                if authorization.decision is not Decision.ALLOWED:
                    for connection in list(self._open.get(credential, ())):
                        connection.cancel()
