"""Reach a person's files by asking the pod that serves them (`serve`).

A request waits for seconds at most, and only a few of a process wait at once, of which a few for
the same person: a volume that does not answer holds up nobody else's pages. Content is passed on
as it comes; nothing of it is kept. Whatever answers at the pod's address may be another pod by
now, so its answers are bounded and checked. Neighbour: `filespods`, which starts the pod.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from threading import Lock
from typing import Any

from django.utils.translation import gettext as _

from portal.lib.zipping import CHUNK_BYTES
from sessions.backends.messages import printable
from sessions.errors import NotYet, TemporaryError
from sessions.repofiles.browse import FILE, FOLDER, LINK, OTHER, Entry

from .serve import PORT

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 8.0
"""Longer than `serve.DELETE_SECONDS`."""
SILENCE_SECONDS = 60.0
"""A download that is silent for this long has broken off."""
MAX_ANSWER_BYTES = 12_000_000
"""Holds a list of `browse.MAX_ENTRIES` names of 255 bytes, of which each takes six in JSON."""
MAX_WAITING, MAX_WAITING_PER_PERSON = 12, 3
_MAX_WHY_LENGTH = 200


class Turns:
    """Bounds on how many requests of a process wait for pods at once."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._waiting: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def take(self, volume: str) -> Iterator[None]:
        """Wait for this person's pod meanwhile. Raises `NotYet` if enough do."""
        with self._lock:
            if self._waiting.total() >= self._most or self._waiting[volume] >= self._most_of_one:
                raise busy()
            self._waiting[volume] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= Counter([volume])


TURNS = Turns(MAX_WAITING, MAX_WAITING_PER_PERSON)


class RemoteFiles:
    """The files that a pod serves; see `PersonFiles`.

    ``reject`` is called if what answers does not know the token or the request.
    """

    def __init__(
        self, address: str, token: str, project: str, volume: str, reject: Callable[[], None]
    ) -> None:
        self._address = address
        self._token = token
        self._project = project
        self._volume = volume
        self._reject = reject

    def kind(self, path: str) -> str:
        """Return `FOLDER` or `FILE`. Raises as in `PersonFiles`, like all methods here."""
        found = self._ask("kind", path)
        return FOLDER if found == FOLDER else FILE

    def entries(self, path: str) -> list[Entry]:
        """Return a folder's entries."""
        found, above = self._ask("entries", path), [part for part in path.split("/") if part]
        try:
            return [_entry(each, above) for each in found]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise unreachable(error) from error

    def content(self, path: str) -> Iterator[bytes]:
        """Return a file's content in pieces."""
        return self._pieces("content", path)

    def archive(self, path: str) -> Iterator[bytes]:
        """Return a folder as a ZIP in pieces."""
        return self._pieces("archive", path)

    def delete(self, path: str) -> bool:
        """Delete a file or a folder; return whether that ended within a few seconds."""
        return self._ask("delete", path) is True

    def _ask(self, task: str, path: str) -> Any:
        with TURNS.take(self._volume), _network_errors(), closing(self._send(task, path)) as answer:
            raw = _read(answer)
        if answer.status == 200:
            return _parse(raw)
        raise self._error(answer.status, raw)

    def _pieces(self, task: str, path: str) -> Iterator[bytes]:
        with TURNS.take(self._volume), _network_errors():
            answer = self._send(task, path, SILENCE_SECONDS)
            if answer.status == 200:
                return _stream(answer)
            with closing(answer):
                raw = _read(answer)
        raise self._error(answer.status, raw)

    def _send(self, task: str, path: str, silence: float = ANSWER_SECONDS) -> HTTPResponse:
        """Send a request, and return its answer as soon as that begins."""
        connection = HTTPConnection(self._address, PORT, timeout=CONNECT_SECONDS)
        try:
            connection.connect()
            socket = connection.sock
            socket.settimeout(ANSWER_SECONDS)
            wanted = {"do": task, "project": self._project, "path": path}
            connection.request("POST", "/", json.dumps(wanted), {"Authorization": self._token})
            answer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        if not answer.will_close:
            connection.close()
            raise HTTPException("it is not what serves files")
        socket.settimeout(silence)
        return answer

    def _error(self, status: int, raw: bytes) -> Exception:
        """Return what the pod has met with."""
        if status == 422:
            return _file_error(_parse(raw))
        if status == 503:
            return busy()
        self._reject()
        return starting()


def _read(answer: HTTPResponse) -> bytes:
    """Return the whole answer. Raises `TimeoutError` if it is too slow, or too long."""
    found, until = b"", time.monotonic() + ANSWER_SECONDS
    while piece := answer.read1(CHUNK_BYTES):
        found += piece
        if time.monotonic() > until or len(found) > MAX_ANSWER_BYTES:
            raise TimeoutError("the answer does not end")
    return found


def _stream(answer: HTTPResponse) -> Iterator[bytes]:
    with _network_errors(), closing(answer):
        while piece := answer.read1(CHUNK_BYTES):
            yield piece


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise unreachable(error) from error


def _entry(found: dict[str, Any], above: list[str]) -> Entry:
    name, kind = str(found["name"]), found["kind"]
    if kind not in {FOLDER, FILE, LINK, OTHER}:
        raise ValueError(kind)
    path = "/".join([*above, name]) if found["path"] else None
    return Entry(name, path, kind, int(found["size"]), float(found["modified"]))


def _file_error(found: Any) -> OSError | TemporaryError:
    """Return the error of the file system that the pod has met with."""
    try:
        return OSError(int(found["errno"]), printable(str(found["why"]))[:_MAX_WHY_LENGTH])
    except (KeyError, TypeError, ValueError) as error:
        return unreachable(error)


@contextmanager
def _network_errors() -> Iterator[None]:
    try:
        yield
    except ConnectionRefusedError as error:  # it has not begun to listen, or has just ended
        raise starting() from error
    except (OSError, HTTPException) as error:
        raise unreachable(error) from error


def starting(why: str = "") -> NotYet:
    """Return the error of files whose pod is starting; ``why`` is what it waits for."""
    message = _("Your files are being opened, which takes a few seconds.")
    if not why:
        return NotYet("files.starting", message, 2)
    message = _(
        "Your files are being opened. It takes longer than usual; if it does not end, tell the "
        "staff: %(why)s"
    )
    return NotYet("files.starting", message % {"why": printable(why)[:_MAX_WHY_LENGTH]}, 5)


def busy() -> NotYet:
    """Return the error of too many requests at once."""
    message = _("Other requests for files are still under way. Try again in a moment.")
    return NotYet("files.busy", message, 5)


def unreachable(error: Exception) -> TemporaryError:
    """Return the error of a pod that does not answer as it should."""
    message = _(
        "Your files cannot be reached right now: %(why)s. None of them is lost. Try again in a "
        "minute; if it keeps happening, tell the staff."
    )
    why = printable(str(error) or type(error).__name__)[:_MAX_WHY_LENGTH]
    return TemporaryError("files.unreachable", message % {"why": why})
