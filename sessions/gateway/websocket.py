"""Open a WebSocket to a notebook server, and check and bound its frames as they pass (RFC 6455).

The handshake (section 4) uses plain streams, because WebSocket client libraries only deliver whole
messages.

A small frame (section 5) is passed on unchanged. Each piece of a large frame is passed on as a
fragment of its own, so that a control frame fits between any two, and a message of any size takes
the memory of one piece.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C if available

from sessions.gateway.connections import MAX_HEADER_BYTES, Upstream
from sessions.gateway.headers import check_size, to_notebook
from sessions.gateway.request import GatewayRequest
from sessions.jupyter_gateway import MAX_WEBSOCKET_MESSAGE

HANDSHAKE_TIMEOUT = 60.0
"""Seconds to wait for the notebook's answer; it may have to look for a kernel first."""
_INVALID_STATUS = 0
"""Status that stands for an answer that is not valid HTTP."""
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class HandshakeRejected(Exception):
    """Raised if the notebook server answers with this status instead of opening the socket."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class NotebookSocket:
    """An open WebSocket to a notebook server, after the handshake."""

    reader: StreamReader
    writer: StreamWriter
    subprotocol: str | None


@asynccontextmanager
async def open_socket(
    request: GatewayRequest, upstream: Upstream, token: str
) -> AsyncIterator[NotebookSocket]:
    """Yield an open WebSocket to this notebook server, and close it after the block.

    Raises `HandshakeRejected` if the server answers with another status, `HeadTooLarge` if it would
    not read the request, or `OSError` if it cannot be reached or its handshake is not valid.
    """
    key = base64.b64encode(secrets.token_bytes(16))
    handshake = _build_request(request, token, key)
    reader, writer = await upstream.connect(MAX_HEADER_BYTES)
    try:
        writer.write(handshake)
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            response = await _read_response(reader)
        yield NotebookSocket(reader, writer, _subprotocol(response, request, key))
    finally:
        _close(writer)


def _close(writer: StreamWriter) -> None:
    """Close at once: a server that does not read would otherwise keep unsent data for ever."""
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    writer.close()


def _build_request(request: GatewayRequest, token: str, key: bytes) -> bytes:
    fields = to_notebook(request.headers, token)
    fields["Connection"], fields["Upgrade"] = "Upgrade", "websocket"
    fields["Sec-WebSocket-Version"], fields["Sec-WebSocket-Key"] = "13", key.decode()
    if request.subprotocols:
        fields["Sec-WebSocket-Protocol"] = ", ".join(request.subprotocols)
    check_size(request.target, fields)
    lines = [
        f"GET {request.target} HTTP/1.1",
        *(f"{name}: {each}" for name, each in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


@dataclass
class _HandshakeResponse:
    """The answer to a handshake, filled in by httptools while it parses."""

    status: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields[name.lower()] = value


async def _read_response(reader: StreamReader) -> _HandshakeResponse:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ConnectionError("incomplete handshake response") from error
    response = _HandshakeResponse()
    parser = HttpResponseParser(response)
    try:
        parser.feed_data(head)
    except HttpParserUpgrade:
        pass
    except HttpParserError as error:
        raise HandshakeRejected(_INVALID_STATUS) from error
    response.status = parser.get_status_code()
    return response


def _subprotocol(response: _HandshakeResponse, request: GatewayRequest, key: bytes) -> str | None:
    """Return the subprotocol that both sides speak.

    Raises `HandshakeRejected` or `ConnectionError` if the answer does not fit the request.
    """
    if response.status != 101:
        raise HandshakeRejected(response.status)
    digest = hashlib.sha1(key + GUID, usedforsecurity=False).digest()
    if response.fields.get(b"sec-websocket-accept", b"") != base64.b64encode(digest):
        raise ConnectionError("handshake response for a different key")
    if response.fields.get(b"sec-websocket-extensions"):
        raise ConnectionError("an extension that was not requested")
    chosen = response.fields.get(b"sec-websocket-protocol", b"").decode("latin-1")
    return chosen if chosen in request.subprotocols else None


MAX_MESSAGE = MAX_WEBSOCKET_MESSAGE
"""Bytes, in both directions; JupyterLab's limit, too."""
MAX_WHOLE_FRAME = 16 * 1024
"""Bytes up to which a frame is kept whole; a multiple of four, the length of a mask."""
SAMPLE_BYTES = 4097
"""Bytes of each message that observers get: one more than `activity.MAX_AUTOMATIC_BYTES`."""
PROTOCOL_ERROR, TOO_BIG = 1002, 1009


class Opcode(IntEnum):
    """Kinds of frames."""

    CONTINUATION, TEXT, BINARY = 0, 1, 2
    CLOSE, PING, PONG = 8, 9, 10


KNOWN_OPCODES = frozenset(Opcode)


@dataclass(frozen=True)
class ControlFrame:
    """A control frame."""

    opcode: Opcode
    payload: bytes


class FrameError(Exception):
    """Raised for an invalid or too large frame; has the code and reason to close with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def build_frame(opcode: int, payload: bytes, mask: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a frame (RFC 6455, section 5.2).

    ``payload`` is masked already with the 4 bytes of ``mask``, or plain where that is empty.
    ``fin`` ends the message.
    """
    size, masked = len(payload), 0x80 if mask else 0
    first = (0x80 if fin else 0) | opcode
    if size < 126:
        head = bytes((first, masked | size))
    elif size < 65536:
        head = bytes((first, masked | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, masked | 127)) + size.to_bytes(8, "big")
    return b"".join((head, mask, payload))


def build_control_frame(opcode: Opcode, payload: bytes, *, is_masked: bool) -> bytes:
    """Return a control frame of the gateway's own; ``payload`` is plain, at most 125 bytes.

    ``is_masked`` is for one that goes to a server.
    """
    mask = secrets.token_bytes(4) if is_masked else b""
    return build_frame(opcode, apply_mask(payload, mask) if mask else payload, mask)


class FrameParser:
    """One direction of one WebSocket. ``is_masked`` is for frames from a client to a server."""

    def __init__(self, *, is_masked: bool, limit: int = MAX_MESSAGE) -> None:
        self._is_masked, self._limit = is_masked, limit
        self._buffer = bytearray()
        self._message: int | None = None  # size so far of an unfinished message
        self._opening = Opcode.CONTINUATION  # opcode of the next piece
        self._left, self._fin, self._mask = 0, True, b""  # of an unfinished frame
        self._is_inside = False
        self._sample = bytearray()
        self._is_skipping = False
        self.is_closed = False
        self.samples: list[bytes] = []
        """Beginnings of the messages that have ended since the last call."""

    def feed(self, data: bytes) -> Iterator[bytes | ControlFrame]:
        """Yield the bytes to pass on, and the control frames, which end here.

        Raises `FrameError` at a frame that must not be passed on. After one that was too large,
        everything but control frames is skipped.
        """
        self._buffer += data
        ready: list[bytes] = []
        while True:
            try:
                step = self._within_frame() if self._is_inside else self._next_frame()
            except FrameError:
                yield b"".join(ready)  # everything before it was valid
                raise
            if step is None:
                break
            if isinstance(step, bytes):
                if step and not self._is_skipping:
                    ready.append(step)
                continue
            if ready:
                yield b"".join(ready)
                ready = []
            yield step
        if ready:
            yield b"".join(ready)

    def skip_to_close(self, data: bytes) -> bool:
        """Skip data; return whether the sender has closed by now."""
        self._is_skipping = True
        for _each in self.feed(data):
            if self.is_closed:
                break
        return self.is_closed

    def _next_frame(self) -> bytes | ControlFrame | None:
        """Read a frame's head; return None if it is incomplete."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        fin, opcode, size = bool(buffer[0] & 0x80), buffer[0] & 0x0F, buffer[1] & 0x7F
        self._check(buffer[0], buffer[1], opcode)
        wide = {126: 2, 127: 8}.get(size, 0)
        head = 2 + wide + (4 if self._is_masked else 0)
        if len(buffer) < head:
            return None
        if wide:
            size = int.from_bytes(buffer[2 : 2 + wide], "big")
        mask = bytes(buffer[2 + wide : head])
        if opcode >= Opcode.CLOSE:
            return self._control(Opcode(opcode), head, size, mask)
        del buffer[:head]
        self._begin(opcode, size, mask, fin=fin)
        return b""

    def _check(self, first: int, second: int, opcode: int) -> None:
        size, is_control = second & 0x7F, opcode >= Opcode.CLOSE
        if first & 0x70:
            raise FrameError(PROTOCOL_ERROR, "reserved bits are set")
        if opcode not in KNOWN_OPCODES:
            raise FrameError(PROTOCOL_ERROR, "unknown opcode")
        if bool(second & 0x80) is not self._is_masked:
            raise FrameError(PROTOCOL_ERROR, "incorrect masking")
        if is_control and (size > 125 or not first & 0x80):
            raise FrameError(PROTOCOL_ERROR, "control frame too large")
        if not is_control and (self._message is None) is (opcode == Opcode.CONTINUATION):
            raise FrameError(PROTOCOL_ERROR, "unexpected frame")

    def _control(self, opcode: Opcode, head: int, size: int, mask: bytes) -> ControlFrame | None:
        if len(self._buffer) < head + size:
            return None
        payload = bytes(self._buffer[head : head + size])
        del self._buffer[: head + size]
        self.is_closed = self.is_closed or opcode is Opcode.CLOSE
        return ControlFrame(opcode, apply_mask(payload, mask) if mask else payload)

    def _begin(self, opcode: int, size: int, mask: bytes, *, fin: bool) -> None:
        if opcode != Opcode.CONTINUATION:
            self._opening = Opcode(opcode)
        self._message = (self._message or 0) + size
        self._left, self._fin, self._mask, self._is_inside = size, fin, mask, True
        if self._message > self._limit and not self._is_skipping:
            self._is_skipping = True
            raise FrameError(TOO_BIG, f"a message larger than {self._limit // 1024**2} MB")

    def _within_frame(self) -> bytes | None:
        """Return the next piece of the frame; None if too little of it has arrived."""
        if len(self._buffer) < min(self._left, MAX_WHOLE_FRAME):
            return None
        size = min(self._left, len(self._buffer))
        if size < self._left:
            size -= size % 4  # so that each piece begins with the whole mask
        payload = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._left -= size
        self._is_inside = self._left > 0
        ends = self._fin and not self._is_inside
        self._sample_payload(payload, ends=ends)
        if ends:
            self._message = None
        elif not payload:
            return b""  # an empty first or continuation frame: the next piece carries its opcode
        piece = build_frame(self._opening, payload, self._mask, fin=ends)
        self._opening = Opcode.CONTINUATION
        return piece

    def _sample_payload(self, payload: bytes, *, ends: bool) -> None:
        if not self._is_masked or self._is_skipping:
            return  # nobody reads samples of messages from notebooks
        room = SAMPLE_BYTES - len(self._sample)
        if room > 0:
            self._sample += apply_mask(payload[:room], self._mask)
        if ends:
            self.samples.append(bytes(self._sample))
            self._sample.clear()
