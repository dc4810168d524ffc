"""A TCP server for tests, in threads of this process, which starts and stops at once.

    with ThreadServer(Handler) as server:
        httpx.get(f"http://{server.address}/")

`socketserver` checks every half second whether it should stop, and its `shutdown` waits for that.
This one selects on a socket that is closed to stop it.
"""

from __future__ import annotations

import selectors
import socket
import socketserver
import threading
from typing import Any, Self


class ThreadServer(socketserver.ThreadingTCPServer):
    """Listen on a free port of ``host`` from now on, and answer with ``handler`` while the `with`
    block lasts. Handlers of `http.server` work, too.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    timeout = 0  # a visitor who has gone meanwhile is not waited for

    def __init__(
        self,
        handler: type[socketserver.BaseRequestHandler],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__((host, port), handler)
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._answer, daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        return f"{self.server_address[0]!s}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *why: object) -> None:
        self.shutdown()
        self.server_close()

    def shutdown(self) -> None:
        """Accept no more connections."""
        self._end.close()
        self._thread.join()

    def get_request(self) -> tuple[Any, Any]:
        """Let a body follow its head at once, not after 40 ms when the client acknowledges that."""
        connection, visitor = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        return connection, visitor

    def server_close(self) -> None:
        super().server_close()
        self._end.close()
        self._ended.close()

    def _answer(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while all(key.fileobj is self for key, _events in selector.select()):
                self.handle_request()
