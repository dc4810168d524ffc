"""Ask many notebook servers for their activity at once, and parse their answers.

Asking many notebooks' servers at once, each with a deadline, none of them trusted.

What the answer of a notebook's server says; pure.

The server is somebody's code, so anything may stand in an answer, and a clock there may be
wrong. What it tells of the last activity is of little use: a tab that is merely open moves that
of ``/api/status`` every few seconds, and that of a kernel whenever it connects again, as all
tabs do after a restart of the portal. Whatever a person has executed, the gateway has seen.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientError, ClientSession, DummyCookieJar
from django.conf import settings
from yarl import URL

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


QUESTION = "/api/kernels?no_track_activity=1"
"""Asked so, the server does not take the question itself for activity."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``busy``: a kernel computes. ``active`` is the latest activity that counts, None without."""

    busy: bool = False
    active: datetime | None = None


def read(body: bytes, now: datetime, *, unattended: bool) -> Reading | None:
    """What the kernels do, None if that cannot be understood.

    A kernel that computes is active now, if somebody is connected to it. If ``unattended``, nobody
    needs to be, and an idle one was active when it says so; not later than ``now``, though.
    """
    try:
        kernels = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(kernels, list) or not all(isinstance(each, dict) for each in kernels):
        return None
    active = max(_moments(kernels, now, unattended=unattended), default=None)
    return Reading(any(map(_is_busy, kernels)), active)


def _moments(
    kernels: Iterable[dict[str, Any]], now: datetime, *, unattended: bool
) -> Iterator[datetime]:
    for kernel in kernels:
        if _is_busy(kernel) and (unattended or _is_attended(kernel)):
            yield now
        elif unattended and (moment := _moment(kernel.get("last_activity"))):
            yield min(moment, now)


def _is_busy(kernel: dict[str, Any]) -> bool:
    return kernel.get("execution_state") == "busy"


def _is_attended(kernel: dict[str, Any]) -> bool:
    connections = kernel.get("connections")
    return isinstance(connections, int) and connections > 0


def _moment(text: object) -> datetime | None:
    """Jupyter writes times of UTC, with their zone or without."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
