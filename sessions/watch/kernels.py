"""Start a kernel in the first notebook of each build, and see whether it works.

A report that a notebook is ready starts its check, in a thread of its own with an event loop: watch
never waits for it. A build whose kernel has been seen to work is not checked again
(`sessions.lifecycle.kernels`), and while one of its notebooks is checked, others wait a little for
the result. Where a kernel of the build has died before, the report itself waits for the check
(`KernelChecks.holds`): nobody can reach the notebook until then. Nothing is remembered across
restarts: the next report starts what was interrupted, and finds the same kernel again by the name
of its Jupyter session.

No server is trusted, as in `sessions.culling.activity`: requests have deadlines, answers are
bounded, and no redirect is followed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from asyncio import Semaphore
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from threading import Thread
from typing import Any

from aiohttp import ClientError, ClientSession, DummyCookieJar
from django.conf import settings
from django.db import connections
from yarl import URL

from keys.sealing import UnsealError
from sessions.backends import ServerReport
from sessions.culling.activity import REQUEST_HEADERS, read_body
from sessions.gateway.connections import connector_for
from sessions.lifecycle.kernels import (
    find_doubted,
    find_unseen,
    record_dead,
    record_hold,
    record_working,
    release,
)
from sessions.models import Session
from sessions.outages import is_temporary_error, run_safely

log = logging.getLogger(__name__)

MAX_CONCURRENT = 20
MAX_REMEMBERED = 10_000
"""Sessions whose check was started; the oldest are forgotten."""
END_SECONDS = 5.0
MAX_HOLD_SECONDS = 60.0


class KernelChecks:
    """The checks of one process. `notice` does nothing unless they are `running`."""

    def __init__(self, *, kernel_seconds: float = 120.0, turn_seconds: float = 10.0) -> None:
        """Create checks that call a kernel slow, and say nothing of it, after ``kernel_seconds``.

        A notebook waits ``turn_seconds`` for the check of another one of its build.
        """
        self._kernel_seconds = kernel_seconds
        self._turn_seconds = turn_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._noticed: dict[int, None] = {}
        self._held: set[int] = set()
        self._turns: dict[int | None, asyncio.Event] = {}
        self._free = Semaphore(MAX_CONCURRENT)
        self._database = ThreadPoolExecutor(max_workers=1)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Check notebooks inside the block."""
        loop = asyncio.new_event_loop()
        end = loop.create_future()
        thread = Thread(target=_run_until, args=(loop, end), name="kernels", daemon=True)
        thread.start()
        self._loop = loop
        try:
            yield
        finally:
            self._loop = None
            loop.call_soon_threadsafe(end.set_result, None)
            thread.join(END_SECONDS)

    def notice(self, session_id: int) -> None:
        """Check a notebook that is ready, unless that was done before. Returns at once."""
        if self._loop is None or session_id in self._noticed:
            return
        if len(self._noticed) >= MAX_REMEMBERED:
            del self._noticed[next(iter(self._noticed))]
        self._noticed[session_id] = None
        asyncio.run_coroutine_threadsafe(self._check_safely(session_id), self._loop)

    def holds(self, report: ServerReport) -> bool:
        """Return whether the report that a notebook is ready waits for the check of its kernel.

        Then the check starts, and handles the report at its end. Until then nobody can reach the
        notebook, so that nobody can end its kernel. Returns at once.
        """
        if self._loop is None or report.id in self._noticed:
            return False
        if report.id in self._held:
            return True
        session = find_doubted(report.id)
        if session is None:
            return False
        session.address = report.address
        record_hold(session)
        self._held.add(report.id)
        asyncio.run_coroutine_threadsafe(self._check_held(session, report), self._loop)
        return True

    async def _check_held(self, session: Session, report: ServerReport) -> None:
        works = None
        try:
            seconds = min(MAX_HOLD_SECONDS, settings.PORTAL_SPAWN_TIMEOUT / 3)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds), self._free:
                    works = await does_kernel_work(
                        session, self._kernel_seconds, outside=bool(session.safe_mode)
                    )
        except Exception:
            log.exception("cannot check the kernel of session %s", session.pk)
        try:
            await self._query(partial(_release_safely, works), report)
        finally:
            self._held.discard(report.id)

    async def _check_safely(self, session_id: int) -> None:
        try:
            await self._check(session_id)
        except Exception as error:
            if is_temporary_error(error):
                log.warning("the kernel of session %s will be checked again: %s", session_id, error)
                self._noticed.pop(session_id, None)
            else:
                log.exception("cannot check the kernel of session %s", session_id)

    async def _check(self, session_id: int) -> None:
        session = await self._query(find_unseen, session_id)
        if session is None:
            return
        async with self._turn(session.build_id), self._free:
            if session := await self._query(find_unseen, session_id):
                await self._store(session_id, await does_kernel_work(session, self._kernel_seconds))

    @asynccontextmanager
    async def _turn(self, build_id: int | None) -> AsyncIterator[None]:
        """Wait until no other notebook of the build is checked, but not for long."""
        done = asyncio.Event()
        if other := self._turns.get(build_id):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._turn_seconds):
                    await other.wait()
        self._turns[build_id] = done
        try:
            yield
        finally:
            done.set()
            if self._turns.get(build_id) is done:
                del self._turns[build_id]

    async def _store(self, session_id: int, works: bool | None) -> None:
        if works:
            await self._query(record_working, [session_id])
        elif works is False:
            await self._query(partial(record_dead, is_first=True), session_id)

    async def _query(self, work: Callable[..., Any], argument: Any) -> Any:
        """Call a function that uses the database, in a thread of its own."""

        def call() -> Any:
            try:
                return work(argument)
            finally:
                connections.close_all()

        return await asyncio.get_running_loop().run_in_executor(self._database, call)


def _release_safely(works: bool | None, report: ServerReport) -> None:
    run_safely(release, report, works=works)  # otherwise, the next report begins again


def _run_until(loop: asyncio.AbstractEventLoop, end: asyncio.Future[None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:  # cancels what is left, and closes it
        runner.run(asyncio.wait([end]))


checks = KernelChecks()

MAX_DEATHS = 2
"""A kernel is dead if JupyterLab gives up on it so many times, each after some restarts."""
REQUEST_SECONDS = 30.0
HELLO_SECONDS = 15.0
PAUSE = 0.5
_SESSIONS = "/api/sessions"
_SESSION = {"path": "Check of the kernel", "name": "", "type": "bindery", "kernel": {}}
"""A Jupyter session of this path exists once, however often it is asked for."""
_KERNELS = "/api/kernels"
_OUTSIDE = {"path": "../" * 12 + "tmp"}
"""From any folder to the one in which a kernel finds none of the person's modules. A session cannot
be there, so this kernel is none's."""
_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
_ID = re.compile(r"[\w-]{1,64}")


async def does_kernel_work(
    session: Session, seconds: float, *, outside: bool = False
) -> bool | None:
    """Start a kernel of the default kind in a notebook and end it; return whether it has answered.

    ``outside`` of the person's files, it finds none of their modules.
    None if nobody knows: it takes more than ``seconds``, or the notebook is gone or has none.
    """
    try:
        async with _Notebook.open(session) as notebook:
            for _time in range(MAX_DEATHS):
                works = await _try_kernel(notebook, seconds, outside=outside)
                if works is not False:
                    return works
            return False
    except (ClientError, OSError, ValueError, UnsealError) as error:  # an OSError: a timeout, too
        log.debug("session %s does not answer: %s", session.pk, type(error).__name__)
        return None


async def _try_kernel(notebook: _Notebook, seconds: float, *, outside: bool) -> bool | None:
    place, wish = (_KERNELS, _OUTSIDE) if outside else (_SESSIONS, _SESSION)
    status, found = await notebook.ask("POST", place, json=wish)
    kernel = found if outside else found.get("kernel")
    number, kernel_id = found.get("id"), kernel.get("id") if isinstance(kernel, dict) else None
    if status != 201 or not _is_id(number) or not _is_id(kernel_id):
        return None
    try:
        async with asyncio.timeout(seconds), notebook.hello(f"{_KERNELS}/{kernel_id}"):
            return await _wait_for_answer(notebook, f"{_KERNELS}/{kernel_id}")
    except TimeoutError:
        return None
    finally:
        with suppress(ClientError, OSError, ValueError):
            await notebook.ask("DELETE", f"{place}/{number}")


async def _wait_for_answer(notebook: _Notebook, kernel: str) -> bool:
    """Return whether a kernel has answered, as soon as it has, or is gone."""
    while True:
        status, found = await notebook.ask("GET", kernel)
        state = found.get("execution_state")
        if status == 404 or state == "dead":
            return False
        if status == 200 and state in ("idle", "busy"):
            return True
        await asyncio.sleep(PAUSE)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


class _Notebook:
    """One notebook's server."""

    def __init__(self, client: ClientSession, base: str) -> None:
        self._client = client
        self._base = base

    @classmethod
    @asynccontextmanager
    async def open(cls, session: Session) -> AsyncIterator[_Notebook]:
        """Yield the notebook. Raises `keys.sealing.UnsealError`."""
        connector, base = connector_for(session.address)
        headers = REQUEST_HEADERS | {"Authorization": f"token {session.server_token}"}
        async with ClientSession(
            connector=connector,
            headers=headers,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
        ) as client:
            yield cls(client, base)

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """Send a request; return the status of its answer and the object in it."""
        url = URL(self._base + path)
        async with (
            asyncio.timeout(REQUEST_SECONDS),
            self._client.request(method, url, allow_redirects=False, **more) as response,
        ):
            try:
                found = json.loads(await read_body(response) or b"{}")
            except (ValueError, RecursionError):
                found = None
            return response.status, found if isinstance(found, dict) else {}

    @asynccontextmanager
    async def hello(self, kernel: str) -> AsyncIterator[None]:
        """Have the server ask a kernel who it is, again and again inside the block.

        Jupyter Server does so for each WebSocket, and calls a kernel ``starting`` until then.
        """
        asking = asyncio.create_task(self._hello(f"{self._base}{kernel}/channels"))
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.wait([asking])

    async def _hello(self, url: str) -> None:
        while True:
            with suppress(ClientError, OSError, ValueError):
                async with (
                    asyncio.timeout(HELLO_SECONDS),
                    self._client.get(URL(url), headers=_UPGRADE, allow_redirects=False),
                ):
                    await asyncio.sleep(HELLO_SECONDS)
            await asyncio.sleep(PAUSE)
