"""Open a WebSocket to a notebook server (RFC 6455, section 4).

It uses plain streams, because WebSocket client libraries only deliver whole messages.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from sessions.gateway import headers
from sessions.gateway.request import Arrival
from sessions.gateway.upstreams import LONGEST_HEADER, Upstream

WITHIN = 60.0
"""Seconds to wait for the notebook's answer; it may have to look for a kernel first."""
_NONSENSE = 0
"""Status that stands for an answer which HTTP does not allow."""
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refused(Exception):
    """Raised if the notebook server answers with this status instead of opening the socket."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Opened:
    """An open WebSocket to a notebook server, after the handshake."""

    reader: StreamReader
    writer: StreamWriter
    subprotocol: str | None


@asynccontextmanager
async def opened(arrival: Arrival, upstream: Upstream, token: str) -> AsyncIterator[Opened]:
    """Yield an open WebSocket to this notebook server, and close it after the block.

    Raises `Refused` if the server answers with another status, or `OSError` if it cannot be reached
    or its handshake is not valid.
    """
    reader, writer = await upstream.connect(LONGEST_HEADER)
    try:
        key = base64.b64encode(secrets.token_bytes(16))
        writer.write(_request(arrival, upstream, token, key))
        async with asyncio.timeout(WITHIN):
            answer = await _answer(reader)
        yield Opened(reader, writer, _subprotocol(answer, arrival, key))
    finally:
        _close(writer)


def _close(writer: StreamWriter) -> None:
    """Close at once: a server that does not read would otherwise keep unsent data for ever."""
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    writer.close()


def _request(arrival: Arrival, upstream: Upstream, token: str, key: bytes) -> bytes:
    fields = headers.to_notebook(arrival.headers, token)
    fields["Connection"], fields["Upgrade"] = "Upgrade", "websocket"
    fields["Sec-WebSocket-Version"], fields["Sec-WebSocket-Key"] = "13", key.decode()
    if arrival.subprotocols:
        fields["Sec-WebSocket-Protocol"] = ", ".join(arrival.subprotocols)
    lines = [
        f"GET {arrival.target} HTTP/1.1",
        *(f"{name}: {each}" for name, each in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


@dataclass
class _Answer:
    """The answer to a handshake, filled in by httptools while it parses."""

    status: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields[name.lower()] = value


async def _answer(reader: StreamReader) -> _Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ConnectionError("no whole answer to a handshake") from error
    answer = _Answer()
    parser = HttpResponseParser(answer)
    try:
        parser.feed_data(head)
    except HttpParserUpgrade:
        pass
    except HttpParserError as error:
        raise Refused(_NONSENSE) from error
    answer.status = parser.get_status_code()
    return answer


def _subprotocol(answer: _Answer, arrival: Arrival, key: bytes) -> str | None:
    """Return the subprotocol that both sides speak.

    Raises `Refused` or `ConnectionError` if the answer does not fit the request.
    """
    if answer.status != 101:
        raise Refused(answer.status)
    digest = hashlib.sha1(key + GUID, usedforsecurity=False).digest()
    if answer.fields.get(b"sec-websocket-accept", b"") != base64.b64encode(digest):
        raise ConnectionError("a handshake that fits another key")
    if answer.fields.get(b"sec-websocket-extensions"):
        raise ConnectionError("an extension that nobody asked for")
    chosen = answer.fields.get(b"sec-websocket-protocol", b"").decode("latin-1")
    return chosen if chosen in arrival.subprotocols else None
