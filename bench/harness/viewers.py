"""People who watch one build: when each line of its log arrives, and whether all do."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector

LINE = re.compile(r"^line (\d+) ([\d.]+) ", re.MULTILINE)
SAMPLE = 20
"""The delay of one line in this many is noted."""


@dataclass
class Seen:
    """The lines that one viewer got, in order, and the seconds from printing to arrival."""

    numbers: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    def take(self, text: str) -> None:
        """Note the lines in a piece of the log."""
        now = time.time()
        for number, printed in LINE.findall(text):
            self.numbers.append(int(number))
            if len(self.numbers) % SAMPLE == 0:
                self.delays.append(now - float(printed))

    def lost(self, lines: int) -> int:
        """Return how many did not come, or came out of order."""
        return sum(at != number for at, number in enumerate(self.numbers[:lines])) + max(
            lines - len(self.numbers), 0
        )


class Watching:
    """A number of viewers. ``url`` is the story's socket; ``lines`` is how many are expected."""

    def __init__(self, url: str, headers: Mapping[str, str], viewers: int, lines: int) -> None:
        self._url, self._headers, self._lines = url, dict(headers), lines
        self.seen = [Seen() for _each in range(viewers)]
        self.began = asyncio.Event()

    async def all(self, within: float) -> None:
        """Return when everybody has all lines. Raises `TimeoutError` after ``within`` seconds."""
        async with ClientSession(connector=TCPConnector(limit=0)) as client:
            async with asyncio.timeout(within):
                await asyncio.gather(*(self._one(client, seen) for seen in self.seen))

    async def _one(self, client: ClientSession, seen: Seen) -> None:
        async with client.ws_connect(self._url, headers=self._headers, max_msg_size=0) as socket:
            await self._read(socket, seen)

    async def _read(self, socket: ClientWebSocketResponse, seen: Seen) -> None:
        while len(seen.numbers) < self._lines:
            item = json.loads(await socket.receive_str())
            if item.get("log"):
                seen.take(item["message"])
            if seen.numbers:
                self.began.set()
