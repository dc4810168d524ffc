"""Asking many notebooks' servers at once, each with a deadline, none of them trusted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import ClientError, ClientSession, DummyCookieJar
from django.conf import settings
from yarl import URL

from sessions.activity.reading import QUESTION, Reading, read
from sessions.gateway.upstreams import reach

log = logging.getLogger(__name__)

AT_ONCE = 100
PATIENCE = 4.0
"""Seconds that one may take to answer. So a thousand take 40 if none of them answers at all."""
LONGEST = 256 * 1024
"""Bytes of an answer: some thousand kernels."""
PLAIN = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A notebook to be asked: the number of its session, where it answers, and with what token."""

    session_id: int
    address: str
    token: str = field(repr=False)


def ask(
    notebooks: Collection[Asked], now: datetime, *, patience: float = PATIENCE
) -> dict[int, Reading]:
    """What each of them does, by the number of its session; who does not answer is not in it."""
    return asyncio.run(_ask(notebooks, now, patience))


async def _ask(notebooks: Collection[Asked], now: datetime, patience: float) -> dict[int, Reading]:
    found: dict[int, Reading] = {}
    waiting = iter(notebooks)

    async def work_off(queue: Iterable[Asked]) -> None:
        for notebook in queue:
            if reading := await _answer(notebook, now, patience):
                found[notebook.session_id] = reading

    # All of them take from one iterator, so none waits while there is something left.
    await asyncio.gather(*(work_off(waiting) for _each in range(min(AT_ONCE, len(notebooks)))))
    return found


async def _answer(notebook: Asked, now: datetime, patience: float) -> Reading | None:
    try:
        async with asyncio.timeout(patience):
            body = await _fetch(notebook)
    except (ClientError, OSError, ValueError) as error:  # a timeout is an OSError, too
        log.debug("session %s does not answer: %s", notebook.session_id, type(error).__name__)
        return None
    except Exception:  # whatever one of them provokes, the others are asked
        log.exception("session %s cannot be asked", notebook.session_id)
        return None
    unattended = settings.PORTAL_UNATTENDED_COUNTS
    return read(body, now, unattended=unattended) if body is not None else None


async def _fetch(notebook: Asked) -> bytes | None:
    """The answer's body; None if it is another answer than it should be, or too long."""
    connector, base = reach(notebook.address)
    headers = PLAIN | {"Authorization": f"token {notebook.token}"}
    async with (
        ClientSession(
            connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False
        ) as client,
        client.get(URL(base + QUESTION), headers=headers, allow_redirects=False) as answer,
    ):
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > LONGEST:
                return None
        return bytes(body) if answer.status == 200 else None
