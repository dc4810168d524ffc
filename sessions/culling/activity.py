"""Probe all running notebooks in rounds for their activity, and store what they answer.

Each round runs in a thread of its own within `sessions.watch`. So watch never waits for a notebook,
and a round that fails or dies is followed by another. Many servers are asked at once, and the
answers are stored in a few queries, however many notebooks there are.

Each request has a deadline, and no server is trusted: it is somebody's code, so anything may stand
in an answer, and its clock may be wrong. Its times of last activity are of little use: a tab that
is merely open moves the one in ``/api/status`` every few seconds, and a kernel's moves whenever a
tab connects again, as all tabs do after a restart of the portal. The gateway has seen whatever a
person has executed. Parsing (`parse_kernels`) is pure.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

from aiohttp import ClientError, ClientResponse, ClientSession, DummyCookieJar
from django.conf import settings
from django.db import connections
from django.db.models import Case, DateTimeField, Value, When
from django.utils import timezone
from yarl import URL

from keys.sealing import UnsealError
from sessions.gateway.connections import connector_for
from sessions.lifecycle.kernels import record_dead, record_working
from sessions.models import Heartbeat, HeartbeatName, Project, Session
from sessions.models.session import SessionQuerySet
from sessions.outages import run_safely
from sessions.states import SessionState

log = logging.getLogger(__name__)

MAX_CONCURRENT = 100
TIMEOUT_SECONDS = 4.0
"""Seconds that a server may take to answer. A thousand servers take 40 if none answers at all."""
MAX_BODY_BYTES = 256 * 1024
"""Maximum bytes of an answer: enough for some thousand kernels."""
REQUEST_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """A notebook to ask: its session's number, the address of its server, and the token."""

    session_id: int
    address: str
    token: str = field(repr=False)


def probe_servers(
    notebooks: Collection[ProbeTarget], now: datetime, *, timeout: float = TIMEOUT_SECONDS
) -> dict[int, KernelActivity]:
    """Return what each notebook does, by its session's number; without those that do not answer."""
    return asyncio.run(_probe_servers(notebooks, now, timeout))


async def _probe_servers(
    notebooks: Collection[ProbeTarget], now: datetime, seconds: float
) -> dict[int, KernelActivity]:
    found: dict[int, KernelActivity] = {}
    waiting = iter(notebooks)

    async def work_off(queue: Iterable[ProbeTarget]) -> None:
        for notebook in queue:
            if activity := await _probe_server(notebook, now, seconds):
                found[notebook.session_id] = activity

    # All workers share one iterator, so none is idle while notebooks are left.
    await asyncio.gather(
        *(work_off(waiting) for _each in range(min(MAX_CONCURRENT, len(notebooks))))
    )
    return found


async def _probe_server(
    notebook: ProbeTarget, now: datetime, seconds: float
) -> KernelActivity | None:
    try:
        async with asyncio.timeout(seconds):
            body = await _fetch(notebook)
    except (ClientError, OSError, ValueError) as error:  # a timeout is an OSError as well
        log.debug("session %s does not answer: %s", notebook.session_id, type(error).__name__)
        return None
    except Exception:  # one notebook must not stop the others from being probed
        log.exception("cannot probe session %s", notebook.session_id)
        return None
    unattended = settings.PORTAL_UNATTENDED_COUNTS
    return parse_kernels(body, now, unattended=unattended) if body is not None else None


async def _fetch(notebook: ProbeTarget) -> bytes | None:
    """Return the answer's body; None if its status is not 200 or it is too long."""
    connector, base = connector_for(notebook.address)
    headers = REQUEST_HEADERS | {"Authorization": f"token {notebook.token}"}
    async with (
        ClientSession(
            connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False
        ) as client,
        client.get(URL(base + KERNELS_PATH), headers=headers, allow_redirects=False) as response,
    ):
        body = await read_body(response)
        return body if response.status == 200 else None


async def read_body(response: ClientResponse) -> bytes | None:
    """Return the body of a notebook's answer; None if it is too long."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


KERNELS_PATH = "/api/kernels?no_track_activity=1"
"""With this parameter, the server does not count the request itself as activity."""


@dataclass(frozen=True, slots=True)
class KernelActivity:
    """One notebook's answer.

    ``busy`` says that a kernel computes; ``last_active`` is the latest activity that counts, or
    None. ``works`` says that a kernel has answered, ``dead`` that one has died and none works.
    """

    busy: bool = False
    last_active: datetime | None = None
    works: bool = field(default=False, compare=False)
    dead: bool = field(default=False, compare=False)


def parse_kernels(body: bytes, now: datetime, *, unattended: bool) -> KernelActivity | None:
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
    states = [kernel.get("execution_state") for kernel in kernels]
    works = "idle" in states or "busy" in states
    return KernelActivity("busy" in states, active, works, "dead" in states and not works)


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


BATCH_SIZE = 1000
"""Sessions held in memory at a time."""
RETRY_SECONDS = 30.0
"""Maximum seconds before a failed round is retried."""
BREAK_ROUNDS = 3
"""Going this many times the usual pause without a round counts as a break."""


class ProbeLoop:
    """Starts a round whenever one is due. ``work`` is the round."""

    def __init__(self, work: Callable[[], None] | None = None) -> None:
        self._work = work or probe_all
        self._thread: Thread | None = None
        self._due = 0.0

    def run_if_due(self) -> None:
        """Start a round if one is due; call this every few seconds. Returns at once."""
        runs = self._thread is not None and self._thread.is_alive()
        if runs or time.monotonic() < self._due:
            return
        # A round that fails or dies does not report back; one that succeeds sets the next time.
        self._due = time.monotonic() + min(RETRY_SECONDS, settings.PORTAL_ACTIVITY_SECONDS)
        self._thread = Thread(target=self._run, name=HeartbeatName.ACTIVITY, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        run_safely(self._probe)
        connections.close_all()

    def _probe(self) -> None:
        begun = time.monotonic()
        self._work()
        self._due = begun + settings.PORTAL_ACTIVITY_SECONDS


def probe_all(batch_size: int = BATCH_SIZE) -> None:
    """Ask every notebook that is ready what it does, and store the answers.

    This is a sign of life for `HeartbeatName.ACTIVITY`, unless there are several notebooks and none
    has answered: then the fault is more likely ours.
    """
    probed_count = answer_count = 0
    for some in _slices(batch_size):
        now = timezone.now()
        activities = probe_servers(some, now)
        store(activities, now)
        store_kernels(activities)
        probed_count, answer_count = probed_count + len(some), answer_count + len(activities)
    if probed_count > 1 and not answer_count:
        log.warning("none of %s notebooks reports its activity", probed_count)
        return
    pause = timedelta(seconds=settings.PORTAL_ACTIVITY_SECONDS)
    Heartbeat.objects.beat(HeartbeatName.ACTIVITY, within=BREAK_ROUNDS * pause)


def _slices(size: int) -> Iterator[list[ProbeTarget]]:
    last = 0
    ready = Session.objects.filter(state=SessionState.READY).order_by("pk")
    while some := list(ready.filter(pk__gt=last).only("address", "sealed_token")[:size]):
        last = some[-1].pk
        yield [each for session in some for each in _target(session)]


def _target(session: Session) -> Iterator[ProbeTarget]:
    try:
        yield ProbeTarget(session.pk, session.address, session.server_token)
    except UnsealError:
        log.warning("cannot decrypt the token of session %s", session.pk)


def store(activities: Mapping[int, KernelActivity], now: datetime) -> None:
    """Store what the sessions with these numbers do; ``now`` is when they were asked.

    A session that is no longer ready is left alone. Activity never moves backwards: whatever
    somebody has done meanwhile stands.
    """
    for busy in (False, True):
        some = [number for number, activity in activities.items() if activity.busy is busy]
        _ready(some).update(asked=now, busy=busy)
    _store_activity(_later_activity(activities))


def store_kernels(activities: Mapping[int, KernelActivity]) -> None:
    """Store whose kernels work, and tell those whose kernels have died."""
    record_working([number for number, activity in activities.items() if activity.works])
    for number, activity in activities.items():
        if activity.dead:
            run_safely(record_dead, number)


def _ready(numbers: Iterable[int]) -> SessionQuerySet:
    return Session.objects.filter(pk__in=numbers, state=SessionState.READY)


def _later_activity(activities: Mapping[int, KernelActivity]) -> dict[int, datetime]:
    """Return, by project, the activity that is later than what is stored."""
    moments = {number: each.last_active for number, each in activities.items() if each.last_active}
    known = _ready(moments).values_list("pk", "project_id", "project__last_activity")
    return {project: moments[pk] for pk, project, last in known if last < moments[pk]}


def _store_activity(news: Mapping[int, datetime]) -> None:
    if not news:
        return
    whens = [When(pk=project, then=Value(moment)) for project, moment in news.items()]
    moment = Case(*whens, output_field=DateTimeField())
    # Compared again under the row's lock, so that it cannot undo later activity.
    earlier = Project.objects.filter(pk__in=news, last_activity__lt=moment)
    earlier.update(last_activity=moment, warned=None, goes=None)
