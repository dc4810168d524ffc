"""One who reads a WebSocket of the application, without a server between."""

from __future__ import annotations

from typing import Any

from channels.testing import WebsocketCommunicator

PATIENCE = 30


class Reader(WebsocketCommunicator):
    """Waits longer for the application than the library's second: others are at work as well."""

    async def receive_output(self, timeout: float = PATIENCE) -> dict[str, Any]:  # noqa: ASYNC109  (the library's)
        return await super().receive_output(max(timeout, PATIENCE))

    async def wait(self, timeout: float = PATIENCE) -> None:  # noqa: ASYNC109  (the library's)
        await super().wait(max(timeout, PATIENCE))
