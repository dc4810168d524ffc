"""Use a portal while it is upgraded: send requests, follow a log, keep a kernel's socket open."""

from __future__ import annotations

import json
import threading
import time
from types import TracebackType
from typing import Self

import httpx
from websockets.exceptions import WebSocketException

from tests.kernel import Kernel
from tests.stack import NO_AUTHORITIES, Api

PAUSE = 0.05
"""Seconds between two requests, and before a broken connection is made again."""

FAULTS = (AssertionError, OSError, ValueError, httpx.HTTPError, WebSocketException)


class Going(threading.Thread):
    """Does the same over and over in a thread of its own until the `with` block ends, and lists
    what went wrong in ``failed``.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.failed: list[str] = []
        self._begun = time.monotonic()
        self._over = threading.Event()

    def once(self) -> None:
        raise NotImplementedError

    def run(self) -> None:
        while not self._over.wait(PAUSE):
            try:
                self.once()
            except FAULTS as error:
                self.fail(repr(error))

    def fail(self, why: str) -> None:
        self.failed.append(f"after {time.monotonic() - self._begun:.1f} s: {why[:300]}")

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self.join(60)


class Asking(Going):
    """Asks for a page, each time on a connection of its own."""

    def __init__(self, url: str, host: str, token: str) -> None:
        super().__init__()
        self.url = url
        self.headers = {"Host": host, "Authorization": f"Bearer {token}"}
        self.answered = 0

    def once(self) -> None:
        answer = httpx.get(self.url, headers=self.headers, timeout=30, verify=NO_AUTHORITIES)
        if answer.status_code == 200:
            self.answered += 1
        else:
            self.fail(f"{answer.status_code} {answer.text}")


class Reading(Going):
    """Follows a project's log as browsers do: when the stream ends, it asks for what comes after
    the last event that it has.
    """

    def __init__(self, api: Api, name: str) -> None:
        super().__init__()
        self.url = f"{api.http.base_url}projects/{name}/events/"
        self.headers = {
            "Authorization": f"Bearer {api.token}",
            "Accept": "text/event-stream",
            "Last-Event-ID": "0",
        }
        self.lines: list[str] = []
        self.streams = 0

    def once(self) -> None:
        with httpx.stream(
            "GET", self.url, headers=self.headers, timeout=30, verify=NO_AUTHORITIES
        ) as answer:
            if answer.status_code != 200:
                self.fail(str(answer.status_code))
                return
            self.streams += 1
            try:
                for line in answer.iter_lines():
                    self._read(line)
                    if self.is_over:
                        return
            except httpx.RemoteProtocolError:
                pass  # a browser is not told either whether an endless answer was complete

    def _read(self, line: str) -> None:
        field, _colon, value = line.partition(": ")
        if field == "id":
            self.headers["Last-Event-ID"] = value
        elif field == "data" and (item := json.loads(value)).get("log"):
            self.lines += item["message"].split("\n")


class Connected(Going):
    """Keeps a socket to a kernel open; ``away`` are the seconds for which it was not."""

    def __init__(self, api: Api, name: str, domain: str) -> None:
        super().__init__()
        self.kernel = Kernel(api, name, domain=domain)
        self.away: list[float] = []
        self._closed = 0.0

    def once(self) -> None:
        try:
            with self.kernel:
                if self._closed:
                    self.away.append(time.monotonic() - self._closed)
                    self._closed = 0.0
                while not self.is_over:
                    try:
                        self.kernel.socket.recv(0.5)
                    except TimeoutError:
                        continue
        except (WebSocketException, OSError) as error:
            if self._closed and time.monotonic() > self._closed + 10:
                self.fail(f"not connected again: {error!r}")
            self._closed = self._closed or time.monotonic()
