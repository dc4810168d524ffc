"""Send many people's requests at the same moment, each over a connection of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector

PATIENCE = ClientTimeout(total=180)


@dataclass(frozen=True)
class Ask:
    """A person's request."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Answer:
    """A person's answer.

    ``seconds`` run from the moment at which all began to ask, to its end.
    """

    seconds: float
    body: Any


class Refused(Exception):
    """Somebody did not get what they asked for."""


def at_once(asks: Sequence[Ask]) -> list[Answer]:
    """Send all requests; return their answers in the same order. Raises `Refused`."""
    return asyncio.run(_all(asks))


async def _all(asks: Sequence[Ask]) -> list[Answer]:
    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector, timeout=PATIENCE) as client:
        began = time.monotonic()
        return await asyncio.gather(*(_one(client, ask, began) for ask in asks))


async def _one(client: ClientSession, ask: Ask, began: float) -> Answer:
    headers = dict(ask.headers)
    async with client.request(ask.method, ask.url, headers=headers, json=ask.body) as answer:
        if answer.status >= 300:
            raise Refused(f"{ask.method} {ask.url}: {answer.status} {(await answer.text())[:300]}")
        body = await answer.json() if answer.content_type == "application/json" else None
        return Answer(time.monotonic() - began, body)
