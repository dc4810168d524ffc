"""Ask many notebook servers for their activity at once, and parse their answers.

Each request has a deadline, and no server is trusted: it is somebody's code, so anything may stand
in an answer, and its clock may be wrong. Its times of last activity are of little use: a tab that
is merely open moves the one in ``/api/status`` every few seconds, and a kernel's moves whenever a
tab connects again, as all tabs do after a restart of the portal. The gateway has seen whatever a
person has executed. Parsing (`read`) is pure.
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
"""Seconds that a server may take to answer. A thousand take 40 if none of them answers at all."""
LONGEST = 256 * 1024
"""Most bytes of an answer: enough for some thousand kernels."""
PLAIN = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A notebook to ask: its session's number, the address of its server, and the token."""

    session_id: int
    address: str
    token: str = field(repr=False)


def ask(
    notebooks: Collection[Asked], now: datetime, *, patience: float = PATIENCE
) -> dict[int, Reading]:
    """Return what each notebook does, by its session's number; without those that do not answer."""
    return asyncio.run(_ask(notebooks, now, patience))


async def _ask(notebooks: Collection[Asked], now: datetime, patience: float) -> dict[int, Reading]:
    found: dict[int, Reading] = {}
    waiting = iter(notebooks)

    async def work_off(queue: Iterable[Asked]) -> None:
        for notebook in queue:
            if reading := await _answer(notebook, now, patience):
                found[notebook.session_id] = reading

    # All workers take from one iterator, so none is idle while notebooks are left.
    await asyncio.gather(*(work_off(waiting) for _each in range(min(AT_ONCE, len(notebooks)))))
    return found


async def _answer(notebook: Asked, now: datetime, patience: float) -> Reading | None:
    try:
        async with asyncio.timeout(patience):
            body = await _fetch(notebook)
    except (ClientError, OSError, ValueError) as error:  # a timeout is an OSError, too
        log.debug("session %s does not answer: %s", notebook.session_id, type(error).__name__)
        return None
    except Exception:  # one notebook must not keep the others from being asked
        log.exception("session %s cannot be asked", notebook.session_id)
        return None
    unattended = settings.PORTAL_UNATTENDED_COUNTS
    return read(body, now, unattended=unattended) if body is not None else None


async def _fetch(notebook: Asked) -> bytes | None:
    """Return the answer's body; None if its status is not 200 or it is too long."""
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
"""With this parameter, the server does not count the request itself as activity."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One notebook's answer.

    ``busy`` says that a kernel computes; ``active`` is the latest activity that counts, or None.
    """

    busy: bool = False
    active: datetime | None = None


def read(body: bytes, now: datetime, *, unattended: bool) -> Reading | None:
    """Return what the kernels do, or None if the answer cannot be understood.

    A kernel that computes is active now if somebody is connected to it. If ``unattended``, nobody
    needs to be connected, and an idle kernel was active when it says so, but not later than
    ``now``.
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
    """Parse a time of Jupyter's: UTC, with or without a zone."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
