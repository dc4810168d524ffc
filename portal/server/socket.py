"""One WebSocket: uvicorn's protocol, started from a head that was already read.

The gateway gets the bytes as they arrive and passes them on piece by piece, so no message is ever
held whole. It accepts with ``bytes: True``, and then receives and sends messages of type `BYTES`.

The portal's own pages get whole messages, as ASGI defines them. Their clients send next to nothing:
a message larger than `MAX_MESSAGE` closes the socket with 1009.
"""

from __future__ import annotations

import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol

from portal.server import heads

BYTES = "bindery.bytes"
"""Type of the message in both directions: ``{"type": BYTES, "bytes": b"…"}``."""
MAX_MESSAGE = 65536
MAX_FRAGMENTS = 256
CLOSE_WITHIN = 5.0
LINGER = 2.0
PING_INTERVAL = 30.0
PING_TIMEOUT = 600.0
"""Seconds: a laptop that slept for less keeps its connection."""


class Socket(WebSocketsSansIOProtocol):
    """One WebSocket: raw bytes for the gateway, whole messages for the portal's own pages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        log = logging.getLogger("uvicorn.error")
        self.conn = ServerProtocol(extensions=[], max_size=MAX_MESSAGE, logger=log)
        self.ping_interval, self.ping_timeout = PING_INTERVAL, PING_TIMEOUT
        self._is_accepted = self._is_bytes = self._discards_input = False
        self._early = bytearray()

    def begin(
        self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], version: str
    ) -> None:
        """Offer the application an upgrade with this head; answer 400 if it is invalid.

        ``target`` is path and query as they were sent, ``headers`` have names in lower case, and
        ``version`` is a number such as ``1.1``.
        """
        if any(name == b"transfer-encoding" for name, _value in headers) or any(
            name == b"content-length" and value != b"0" for name, value in headers
        ):
            self._refuse()
            return
        try:
            path = target.decode("ascii")
            fields = Headers([(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers])
        except ValueError:
            self._refuse()
            return
        self.handle_connect(Request(path, fields, method, f"HTTP/{version}"))

    def data_received(self, data: bytes) -> None:
        if self._discards_input:
            return
        if not self._is_accepted:
            # Browsers wait for the answer. From others, read no more until then.
            self._early += data
            self.transport.pause_reading()
        elif self._is_bytes:
            self.queue.put_nowait({"type": BYTES, "bytes": data})  # type: ignore[typeddict-item]
            if not self.read_paused:
                self.read_paused = True
                self.transport.pause_reading()
        else:
            super().data_received(data)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        # It closes once all is sent; a client that does not read would keep it open for ever.
        self.loop.call_later(CLOSE_WITHIN, self.transport.abort)

    async def send(self, message: Any) -> None:
        if message["type"] == BYTES:
            await self.writable.wait()
            if not self.transport.is_closing():
                self.transport.write(message["bytes"])
            return
        await super().send(message)
        if message["type"] == "websocket.accept" and not self.transport.is_closing():
            self._accepted(is_bytes=bool(message.get("bytes")))

    def _accepted(self, *, is_bytes: bool) -> None:
        self._is_accepted, self._is_bytes = True, is_bytes
        if is_bytes:
            self.stop_keepalive()  # the gateway pings
        else:
            self.conn.parser = self.conn.parse()  # start over: the head was read elsewhere
            next(self.conn.parser)
        early, self._early = bytes(self._early), bytearray()
        self.transport.resume_reading()
        if early:
            self.data_received(early)

    def _refuse(self) -> None:
        self.close_sent = self.handshake_complete = True
        self.transport.write(heads.response_bytes(heads.INVALID, default=self.default_headers))
        self.transport.close()

    # --- Whole messages: limits that the library does not have ---
    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) >= MAX_FRAGMENTS:  # they may be empty, and still take room
            self.conn.fail(1009, f"more than {MAX_FRAGMENTS} fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def handle_parser_exception(self) -> None:
        """Close with the reason, and leave a client that is still sending time to read it."""
        close = self.conn.close_sent
        code, reason = (close.code, close.reason) if close else (1006, "")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._discards_input = self.close_sent = True
        self.close_timer = self.loop.call_later(LINGER, self.transport.close)

    def keepalive_timeout(self) -> None:
        """Close a socket whose client does not answer pings with 1001, as the gateway does."""
        if not self.close_sent:
            self.conn.fail(1001, "no answer to a ping")
        super().keepalive_timeout()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # a client that reads no answers gets no more
