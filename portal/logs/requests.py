"""Every request has a reference: in all lines of its log, and as `X-Reference` in its answer.

Outermost in `portal.asgi`, around portal and gateway alike. When an answer has ended, or a socket,
it is told to those who count and to those who log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import Any

from portal.logs import context

log = logging.getLogger(__name__)

HEADER = b"x-reference"
NOTEBOOK, OTHER = "notebook", "other"
"""Routes of what no address of the portal's stands for: notebooks' hosts, and what is left."""
BEGINS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})
OPENED, REFUSED, LEFT, FAILED = 101, 403, 499, 500
"""``LEFT``: whoever asked has gone before the answer, which is no fault of ours."""


@dataclass
class Asked:
    """One request. ``route`` is the name of its address, one of a fixed number; ``status`` is 0
    until its answer begins, after ``seconds``. ``kind`` is ``http`` or ``websocket``."""

    kind: str
    method: str
    began: float
    route: str = OTHER
    status: int = 0
    seconds: float = 0.0

    def answered(self, status: int) -> None:
        """Its answer begins now; only the first one counts."""
        if not self.status:
            self.status, self.seconds = status, monotonic() - self.began

    @property
    def is_open_socket(self) -> bool:
        return self.status == OPENED


Told = Callable[[Asked], None]
_present: ContextVar[Asked | None] = ContextVar("asked", default=None)


def present() -> Asked | None:
    """The request that is being answered here; None outside of one."""
    return _present.get()


class Requests:
    """``begins`` is told when an answer begins, ``ends`` when it has ended."""

    def __init__(
        self, inner: Any, *, begins: Iterable[Told] = (), ends: Iterable[Told] = ()
    ) -> None:
        self._inner, self._begins, self._ends = inner, tuple(begins), tuple(ends)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._inner(scope, receive, send)
            return
        asked = Asked(scope["type"], scope.get("method", "GET"), monotonic())
        with context.begun() as reference:
            _present.set(asked)
            try:
                await self._inner(scope, receive, self._marking(send, asked, reference))
            except Exception:
                asked.answered(FAILED)
                raise
            finally:
                asked.answered(LEFT)
                _tell(self._ends, asked)

    def _marking(self, send: Any, asked: Asked, reference: str) -> Any:
        mark = (HEADER, reference.encode())

        async def marked(message: Any) -> None:
            if message["type"] in BEGINS:
                others = [each for each in message.get("headers", ()) if each[0].lower() != HEADER]
                message = {**message, "headers": [*others, mark]}
                self._begun(asked, message.get("status", OPENED))
            elif message["type"] == "websocket.close":
                self._begun(asked, REFUSED)
            await send(message)

        return marked

    def _begun(self, asked: Asked, status: int) -> None:
        if not asked.status:
            asked.answered(status)
            _tell(self._begins, asked)


def write(asked: Asked) -> None:
    """A line for a request that has ended: neither its path nor its query, which are people's."""
    figures = {"method": asked.method, "route": asked.route, "status": asked.status}
    figures["milliseconds"] = round(asked.seconds * 1000)
    log.info("answered %s", asked.kind, extra=figures)


def _tell(those: tuple[Told, ...], asked: Asked) -> None:
    for told in those:
        told(asked)
