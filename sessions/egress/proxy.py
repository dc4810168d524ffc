"""An HTTP proxy that connects only where `addresses` allows: the way out for other programs.

Git, builds and notebooks have no other way to the network. The proxy resolves names itself and
connects to the very address that it checked, so neither a redirect nor a name server that changes
its answer leads to a private network.

Standard library only: processes without Django load this module too, beside `addresses` and perhaps
under another package name. So its messages are English and its imports relative.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from .addresses import EgressRules, Refused, Unresolvable, resolve_allowed

LINGER_SECONDS = 2
CLOSE_SECONDS = 10
IDLE_SECONDS = 900
HALF_CLOSED_SECONDS = 120
CHUNK_BYTES = 64 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection.

    It is aborted if the peer does not read what is left in time, or at once in a task that is being
    cancelled: the end of a notebook or a build waits for nobody.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        return writer.transport.abort()
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    except OSError:
        writer.transport.abort()


async def linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read for a moment what the peer still sends after our last word.

    Closing with bytes unread would reset the connection, and the last word would be lost.
    """
    with suppress(OSError):
        async with asyncio.timeout(LINGER_SECONDS):
            writer.write_eof()
            while await reader.read(CHUNK_BYTES):
                pass


class _Pump:
    """One direction of a connection: copies what comes in at one end to the other."""

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
            limit = IDLE_SECONDS if len(running) == 2 else HALF_CLOSED_SECONDS
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


HEAD_BYTES = 32 * 1024
HEAD_SECONDS = 20
CONNECT_SECONDS = 15
MAX_CONNECTIONS = 128

# `Transfer-Encoding` stays, because the body is passed on unchanged.
_HOP_BY_HOP = {
    "connection", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "trailer", "upgrade",
}  # fmt: skip
_REQUEST_LINE = re.compile(r"([A-Z]{1,20}) ([!-~]+) HTTP/1\.[01]")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0\r\n]*")
_HTTP_ADDRESS = re.compile(r"[Hh][Tt][Tt][Pp]://([^/?#@]+)([/?][^#]*|)(?:#.*)?")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]@/]+)(?::(\d{1,5}))?")
_REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
}

Observer = Callable[[Exception], None]


class _ErrorResponse(Exception):
    """Raised for an answer of the proxy itself to its client, instead of passing something on."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    def __bytes__(self) -> bytes:
        body = str(self).encode("utf-8", "replace") + b"\n"
        head = (
            f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


@dataclass(frozen=True)
class _Request:
    """The destination that a client wants, and the head to send there (empty: a tunnel)."""

    host: str
    port: int
    head: bytes
    path: str = ""


@dataclass
class _Proxy:
    rules: EgressRules
    observe: Observer
    max_connections: int
    open: int = field(default=0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await self._handle(reader, writer)
        except _ErrorResponse as answer:
            writer.write(bytes(answer))
            await linger(reader, writer)
        except OSError:
            pass  # either end is gone: nobody to report it to
        finally:
            await close(writer)
            self.open -= 1

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.open > self.max_connections:
            raise _ErrorResponse(
                503, f"There are more than {self.max_connections} connections at once"
            )
        request = _parse(await _read_head(reader))
        upstream = await self._connect(request)
        try:
            if request.head:
                upstream[1].write(request.head)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await relay((reader, writer), upstream, tunnel=not request.head)
        finally:
            await close(upstream[1])

    async def _connect(self, request: _Request) -> Streams:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                addresses = await resolve_allowed(
                    self.rules, request.host, request.port, request.path
                )
                return await _open_first(addresses, request.port)
        except Refused as error:
            self.observe(error)
            raise _ErrorResponse(403, f"Refused: {error}") from error
        except (Unresolvable, OSError) as error:
            self.observe(error)
            raise _ErrorResponse(502, f"{request.host}:{request.port} cannot be reached") from error


async def serve(
    rules: EgressRules,
    *,
    path: str | None = None,
    port: int | None = None,
    observe: Observer | None = None,
    max_connections: int = MAX_CONNECTIONS,
) -> asyncio.Server:
    """Serve the proxy on a Unix socket at ``path``, or on 127.0.0.1:``port`` (0: any free one).

    ``observe`` is called, in the server's loop, for every connection that was not made, with
    `Refused`, `Unresolvable`, TimeoutError or another OSError. The caller controls who may use the
    Unix socket, by the folder that it is in. More than ``max_connections`` connections at once are
    answered with 503.
    """
    proxy = _Proxy(rules, observe or (lambda _: None), max_connections)
    if path is not None:
        with _bound_to(path) as listener:
            return await asyncio.start_unix_server(proxy.serve, sock=listener, limit=HEAD_BYTES)
    return await asyncio.start_server(proxy.serve, "127.0.0.1", port or 0, limit=HEAD_BYTES)


@contextmanager
def _bound_to(path: str) -> Iterator[socket.socket]:
    """Yield a Unix socket at ``path`` under a name that tells nothing about the machine's folders.

    Linux shows a connection in the client's network namespace (/proc/net/unix), with the name that
    the server's socket was bound to.
    """
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/{name}")
        yield listener
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(descriptor)


async def _read_head(reader: asyncio.StreamReader) -> str:
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
    except TimeoutError as error:
        raise _ErrorResponse(408, "The request did not arrive in time") from error
    except asyncio.LimitOverrunError as error:
        raise _ErrorResponse(431, "The request headers are too large") from error
    except asyncio.IncompleteReadError as error:
        raise _ErrorResponse(400, "The request ended within its headers") from error
    return head[:-4].decode("latin-1")


def _parse(head: str) -> _Request:
    """Parse a request. Raises _Answer for anything but a tunnel or plain HTTP."""
    first, *lines = head.split("\r\n")
    request_line = _REQUEST_LINE.fullmatch(first)
    if not request_line or not all(_HEADER.fullmatch(line) for line in lines):
        raise _ErrorResponse(400, "This is not an HTTP/1.1 request")
    method, target = request_line.groups()
    if method == "CONNECT":
        return _Request(*_authority(target, None), head=b"")
    return _plain(method, target, lines)


def _plain(method: str, target: str, lines: list[str]) -> _Request:
    """Return a request for an absolute address, in the form that the server itself reads."""
    address = _HTTP_ADDRESS.fullmatch(target)
    if not address:
        raise _ErrorResponse(400, "Only CONNECT and plain http:// addresses are supported")
    authority, rest = address.groups()
    host, port = _authority(authority, 80)
    origin = rest if rest.startswith("/") else f"/{rest}"
    kept = [f"{method} {origin} HTTP/1.1", f"Host: {authority}", *_end_to_end(lines)]
    head = "\r\n".join([*kept, "Connection: close", "", ""])
    return _Request(host, port, head.encode("latin-1"), origin)


def _end_to_end(lines: list[str]) -> list[str]:
    """Return the header lines that are for the server and not for this proxy."""
    dropped = _HOP_BY_HOP | {
        token.strip().lower()
        for line in lines
        if _name(line) == "connection"
        for token in line.partition(":")[2].split(",")
    } - {"transfer-encoding", "content-length"}
    return [line for line in lines if _name(line) not in dropped]


def _name(line: str) -> str:
    return line.partition(":")[0].lower()


def _authority(text: str, default: int | None) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(text)
    port = int(found[2] or default or 0) if found else 0
    if not found or not 0 < port < 65536:
        raise _ErrorResponse(400, "The address needs a host and a port")
    return found[1], port


async def _open_first(addresses: list[str], port: int) -> Streams:
    """Return a connection to the first address that accepts one. Raises the last one's OSError."""
    failure: OSError = ConnectionRefusedError("no address")
    for address in addresses:
        try:
            streams = await asyncio.open_connection(address, port, limit=CHUNK_BYTES)
        except OSError as error:
            failure = error
        else:
            connection = streams[1].get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return streams
    raise failure
