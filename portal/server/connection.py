"""One connection to web: uvicorn's HTTP/1.1 protocol, which reads heads within limits.

uvicorn itself limits neither the size of a head nor the time that it takes, and its WebSockets
leave an upgrade unanswered if their library does not like its head.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from portal.server import heads
from portal.server.heads import Refusal
from portal.server.socket import Socket

LINGER = 2.0
"""Seconds in which a refused client can read why; closing at once would take the answer away from
a client that is still sending.
"""
MAX_PIPELINED = 16


class TooLarge(Exception):
    """Raised inside the parser, which stops at it."""


class Http(HttpToolsProtocol):
    """One HTTP/1.1 connection with limits on heads.

    ``_unparsed`` counts the bytes since the parser last completed something, such as a head or a
    part of a body. So a header that never ends, a chunk extension and trailers are limited, too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awaits_head, self._is_beyond, self._discards_input = True, False, False
        self._is_in_body = False
        self._head = bytearray()
        self._unparsed = 0
        self._timer: TimerHandle | None = None
        self._socket: Socket | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), heads.MAX_BYTES):
            if self._discards_input or self.transport.is_closing():
                return
            if self._socket is not None:
                self._socket.data_received(data[at:])
                return
            self._feed(data[at : at + heads.MAX_BYTES])

    def _feed(self, piece: bytes) -> None:
        if self._awaits_head:
            self._head += piece
            if self._timer is None:
                self._start_timer()
        self._unparsed += len(piece)
        self._parse(piece)
        if self._unparsed > heads.MAX_BYTES and not self._discards_input:
            self._refuse(heads.too_large(bytes(self._head)))

    def _parse(self, piece: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(piece)
        except HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._upgrade(piece[upgrade.args[0] :])
            elif not self.transport.is_closing():
                # Answer as if no upgrade had been asked for, and close after that.
                self._discards_input = True
                self.cycle.keep_alive = False
        except HttpParserError:
            head = bytes(self._head)
            self._refuse(heads.too_large(head) if self._is_beyond else heads.INVALID)

    def _upgrade(self, early: bytes) -> None:
        self._stop_timer()
        if self._is_answering():  # an earlier request of this connection
            self.transport.close()
            return
        self.connections.discard(self)
        self._socket = Socket(self.config, self.server_state, self.app_state)
        self._socket.connection_made(self.transport)
        self.transport.set_protocol(self._socket)
        version = self.parser.get_http_version()
        self._socket.begin(self.scope["method"], self.url, self.headers, version)
        if early:
            self._socket.data_received(early)

    # --- Callbacks of the parser ---
    def on_headers_complete(self) -> None:
        self._awaits_head, self._unparsed = False, 0
        self._stop_timer()
        self._is_beyond = heads.exceeds_head_limits(self.url, self.headers)
        if self._is_beyond or len(self.pipeline) >= MAX_PIPELINED:
            raise TooLarge
        super().on_headers_complete()
        self._is_in_body = True
        if not self.parser.should_upgrade():
            self.headers = []  # headers that come later are trailers, which nobody reads

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._awaits_head, self._is_in_body, self._unparsed = True, False, 0
        self._head.clear()
        super().on_message_complete()

    # --- Refusals ---
    def _refuse(self, refusal: Refusal) -> None:
        self._stop_timer()
        self._discards_input = True
        self.flow.resume_reading()  # to notice that the client has gone
        if self._is_answering() and not self._withdraw():
            return
        words = heads.response_bytes(refusal, bytes(self._head), self.server_state.default_headers)
        self.transport.write(words)
        self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)

    def _withdraw(self) -> bool:
        """Return whether the refusal may be the answer to the last request.

        Requests that are complete are answered, and the connection closes after that.
        """
        if self._is_in_body and not self.pipeline and not self.cycle.response_started:
            self.cycle.disconnected = self.cycle.response_complete = True
            self.cycle.message_event.set()
            return True
        self.cycle.keep_alive = False
        if self._is_in_body:  # whose rest the request would wait for
            self.loop.call_later(LINGER, self.transport.close)
        return False

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    # --- Time ---
    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(heads.SECONDS, self._take_too_long)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take_too_long(self) -> None:
        self._timer = None
        if self._is_answering():  # an earlier request's answer may take longer
            self._discards_input = True
            self.cycle.keep_alive = False
        elif self._head:
            self._refuse(heads.TOO_LATE)
        else:
            self.transport.close()
