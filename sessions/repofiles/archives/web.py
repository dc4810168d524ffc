"""Ask an archive for JSON and files, within bounds of time and size, and only through the proxy.

Servers may be slow, busy, wrong or hostile: redirects are followed one by one, each through the
proxy, which refuses private addresses; answers are bounded; what is busy is asked again, within the
time that there is. Everything that fails is an `ArchiveError` with a sentence for people.
"""

from __future__ import annotations

import http.client
import io
import json
import signal
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from .failures import (
    ArchiveError,
    cut_off,
    host_of,
    private_address,
    refusal,
    too_large,
    too_slow,
    unreachable,
)

MAX_JSON_BYTES = 20_000_000
MAX_REDIRECTS = 10
MAX_TRIES = 4
MAX_PAUSE = 120.0
"""Seconds that an archive may have us wait between two requests."""
LEAST_BYTES_PER_SECOND = 1000
CHUNK_BYTES = 64 * 1024

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})
_REFUSED = b"Refused: "
"""How the proxy's own answer begins if an address may not be reached."""


class _TimeUp(Exception):
    """Raised by the alarm when a step has taken as long as it may."""


def say(text: str) -> None:
    """Write a line to the log."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Answer:
    """An answer with its body still to be read. ``url`` is the address that gave it."""

    def __init__(self, raw: http.client.HTTPResponse, url: str, *, moved: bool) -> None:
        self.raw, self.url, self.moved = raw, url, moved

    @property
    def status(self) -> int:
        return self.raw.status

    @property
    def type(self) -> str:
        return self.raw.headers.get_content_type()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *why: object) -> None:
        self.raw.close()


class Web:
    """The way to an archive's servers.

    ``hosts`` maps names of hosts to addresses that stand in for them. ``seconds`` is the time for
    everything, ``stall`` how long a server may send next to nothing.
    """

    def __init__(self, hosts: Mapping[str, str], seconds: float, stall: float, proxy: str) -> None:
        self._hosts, self._stall = hosts, stall
        self._deadline = time.monotonic() + seconds
        self._proxy = urlsplit(proxy).netloc
        self._opener = urllib.request.OpenerDirector()
        self._opener.add_handler(urllib.request.HTTPHandler())
        context = ssl.create_default_context()
        self._opener.add_handler(urllib.request.HTTPSHandler(context=context))
        signal.signal(signal.SIGALRM, _ring)

    def left(self) -> float:
        """Return the seconds that are left. Raises `ArchiveError` if there are none."""
        if (left := self._deadline - time.monotonic()) <= 0:
            raise ArchiveError(
                "archive.timeout",
                "The archive took too long to send its files. Try again later, or launch a smaller "
                "repository.",
                temporary=True,
            )
        return left

    def pause(self, seconds: float, why: str, otherwise: ArchiveError) -> None:
        """Wait, and say why. Raises ``otherwise`` if there is not so much time."""
        if seconds >= self.left():
            raise otherwise
        say(f"{why} Waiting {seconds:.3g} s")
        time.sleep(seconds)

    def json(self, url: str, data: bytes | None = None) -> Any:
        """Return the JSON at an address. Raises `ArchiveError`."""
        with self.open(url, data=data, headers={"Accept": "application/json"}) as answer:
            content = self.read(answer, MAX_JSON_BYTES)
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, (dict, list)):
            raise ArchiveError(
                "archive.not-json",
                f"{host_of(url)} answered with something other than data about the archive, such "
                "as a web page. Check the address; if it is right, try again later.",
            )
        return found

    def last_address(self, url: str) -> str:
        """Return the address that redirects lead to."""
        with self.open(url) as answer:
            return answer.url

    def read(self, answer: Answer, most: int) -> bytes:
        """Return the whole body. Raises `ArchiveError` if it is longer than ``most``."""
        body = io.BytesIO()
        for chunk in self.chunks(answer):
            body.write(chunk)
            if body.tell() > most:
                raise too_large(most)
        return body.getvalue()

    def chunks(self, answer: Answer) -> Iterator[bytes]:
        """Yield the body. Raises `ArchiveError` if it ends early, or is too slow."""
        began, moved = time.monotonic(), 0
        while True:
            try:
                with self._bounded(answer.url):
                    chunk = answer.raw.read1(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise cut_off(answer.url) from error
            if not chunk:
                break
            moved += len(chunk)
            yield chunk
            if (spent := time.monotonic() - began) > self._stall:
                if moved < LEAST_BYTES_PER_SECOND * spent:
                    raise too_slow(answer.url)
                began, moved = time.monotonic(), 0
        if answer.raw.length:
            raise cut_off(answer.url)

    def open(
        self,
        url: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer of an address that gives one. Raises `ArchiveError`."""
        for tried in range(1, MAX_TRIES + 1):
            try:
                answer = self._follow(url, data, headers or {})
            except ArchiveError as error:
                if not error.temporary or tried == MAX_TRIES:
                    raise
                self.pause(tried, f"{host_of(url)} cannot be reached.", error)
                continue
            if answer.status < 400:
                return answer
            with answer:
                failure, seconds = self._failure(answer, tried)
            if not failure.temporary or tried == MAX_TRIES:
                raise failure
            self.pause(seconds, f"{host_of(url)} is busy ({answer.status}).", failure)
        raise AssertionError

    def _follow(self, url: str, data: bytes | None, headers: Mapping[str, str]) -> Answer:
        first = url.partition(":")[0].lower()
        for count in range(MAX_REDIRECTS + 1):
            raw = self._request(url, data, headers)
            if raw.status not in _REDIRECTS:
                return Answer(raw, url, moved=count > 0)
            with raw:
                target = raw.headers.get("Location") or ""
            url, data = _redirected(url, target, first), None
        raise ArchiveError(
            "archive.redirects", f"{host_of(url)} redirects in circles. Try again later."
        )

    def _request(
        self, url: str, data: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        try:
            actual = self._actual(url)
        except ValueError as error:
            raise unreachable(url, error) from error
        if urlsplit(actual).scheme not in {"http", "https"}:
            raise unreachable(url, ValueError(actual))
        request = urllib.request.Request(actual, data, dict(headers))  # noqa: S310  (checked above)
        request.add_header("User-Agent", "bindery")
        request.add_header("Accept-Encoding", "identity")
        request.set_proxy(self._proxy, "http")
        try:
            with self._bounded(url):
                raw = self._opener.open(request, timeout=min(self._stall, self.left()))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise unreachable(url, error) from error
        if not isinstance(raw, http.client.HTTPResponse):
            raise unreachable(url, ValueError(actual))
        return raw

    def _actual(self, url: str) -> str:
        """Return the address to connect to: that of the stand-in, where there is one."""
        parts = urlsplit(url)
        name = (parts.netloc or "").lower()
        base = self._hosts.get(name) or self._hosts.get(name.removeprefix("www."))
        path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
        query = quote(parts.query, safe="/?%:@!$&'()*+,;=~")
        if base:
            above = urlsplit(base)
            return urlunsplit(
                (above.scheme, above.netloc, above.path.rstrip("/") + path, query, "")
            )
        return urlunsplit((parts.scheme, parts.netloc, path or "/", query, ""))

    def _failure(self, answer: Answer, tried: int) -> tuple[ArchiveError, float]:
        """Return what an answer that is an error means, and when to ask again."""
        status, body = answer.status, self._start_of(answer)
        if status == 403 and body.startswith(_REFUSED):
            return private_address(answer.url), 0
        seconds = _retry_after(answer.raw.headers.get("Retry-After")) if status in _BUSY else 0
        return refusal(host_of(answer.url), status, body), seconds or tried

    def _start_of(self, answer: Answer) -> bytes:
        with suppress(ArchiveError, OSError, http.client.HTTPException), self._bounded(answer.url):
            return answer.raw.read(10_000)
        return b""

    @contextmanager
    def _bounded(self, url: str) -> Iterator[None]:
        """End what takes longer than a server may be silent, or than there is time."""
        left = self.left()
        signal.setitimer(signal.ITIMER_REAL, min(left, self._stall) + 0.01)
        try:
            yield
        except (_TimeUp, TimeoutError) as error:
            self.left()
            raise too_slow(url) from error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _ring(_number: int, _frame: object) -> NoReturn:
    raise _TimeUp


def _redirected(url: str, target: str, first: str) -> str:
    """Return where a redirect leads; never from an encrypted address to one that is not."""
    try:
        found = urljoin(url, target)
        parts = urlsplit(found)
    except ValueError:  # brackets that hold no address
        found, parts = "", urlsplit("")
    if not target or parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        raise ArchiveError(
            "archive.redirects",
            f"{host_of(url)} redirects to an address that is not used here. Try again later.",
        )
    return urlunsplit(("https", *parts[1:])) if first == "https" else found


def _retry_after(text: str | None) -> float:
    """Return the seconds that a server asks to wait, within bounds; 0 if it does not say."""
    if not text:
        return 0
    with suppress(ValueError, TypeError):
        return max(min(MAX_PAUSE, float(text)), 0.1)  # a NaN counts as the most
    with suppress(ValueError, TypeError):
        until = parsedate_to_datetime(text)
        seconds = (until - datetime.now(until.tzinfo)).total_seconds()
        return min(max(seconds, 0.1), MAX_PAUSE)
    return 0
