"""Let people reach their own files while their notebook does not run: list, download, delete.

A project that no longer starts would otherwise have to be deleted to get at what is in it. Only the
owner may: staff see a project, but nobody's files. A browser downloads them, and never shows them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from portal.lib.streaming import iterate_in_thread, zip_response
from portal.models import User
from sessions.backends import PersonFiles, get_backend
from sessions.backends.messages import printable
from sessions.errors import BinderyError, NotAllowed, NotYet, StateConflict, UserError
from sessions.models import Project
from sessions.repofiles.browse import Entry

from .files import volume_of

MAX_DOWNLOADS = 6
"""Downloads of one person in one process, as many as a pod serves at once."""


class NoSuchFile(UserError):
    """The person has no file or folder at this path."""

    status = 404


def open_files(project: Project, user: User) -> PersonFiles:
    """Return the person's files: ``project`` are the project's own, ``volume`` their folder.

    Raises `NotAllowed` for anybody but the owner, and `StateConflict` while the notebook runs;
    `NotYet` while the files are being made reachable, and `TemporaryError` if they cannot be.
    """
    if project.owner_id != user.pk:
        message = _("These files belong to %(owner)s, and only they can see them.")
        raise NotAllowed("files.not-yours", message % {"owner": project.owner.username})
    if project.is_live:
        message = _("The notebook is running: use its file browser, or stop it first.")
        raise StateConflict("project.state", message, state=project.state)
    return get_backend().open_files(project.name, volume_of(project.owner))


def modified_at(entry: Entry) -> datetime | None:
    """Return when it was last changed; None if unknown, or not a date."""
    try:
        return datetime.fromtimestamp(entry.modified, UTC) if entry.modified else None
    except (OverflowError, ValueError, OSError):
        return None


def file_response(files: PersonFiles, path: str, user: User) -> StreamingHttpResponse:
    """Return the file as a download. Raises `NotYet`, and `OSError` if it cannot be opened."""
    pieces = _downloads.counted(user, lambda: files.content(path))
    name = printable(path.rstrip("/").rpartition("/")[2])
    return StreamingHttpResponse(
        iterate_in_thread(pieces),
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": content_disposition_header(True, name) or "",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def folder_response(files: PersonFiles, path: str, user: User) -> StreamingHttpResponse:
    """Return the folder as a ZIP archive. Raises as `file_response`."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path)
    pieces = _downloads.counted(user, lambda: files.archive(path))
    return zip_response(f"{name[-100:]}.zip", pieces)


class _Downloads:
    """Counts the downloads under way in this process: packing them takes a processor's time."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._lock = Lock()

    def counted(self, user: User, begin: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        """Begin a download of this person's, and return its pieces; it counts until their end.

        Raises `NotYet` if enough are under way, and what ``begin`` raises.
        """
        with self._lock:
            if self._counts[user.pk] >= MAX_DOWNLOADS:
                message = _("Other requests for files are still under way. Try again in a moment.")
                raise NotYet("files.busy", message, 5)
            self._counts[user.pk] += 1
        counted = self._until_end(user.pk, begin)
        next(counted)  # from here on, it is at its end at the latest when nobody has it any more
        return counted

    def _until_end(self, person: int, begin: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        try:
            pieces = begin()
            yield b""
            yield from pieces
        finally:
            with self._lock:
                self._counts -= Counter([person])


_downloads = _Downloads()


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn errors of the file system into those of a request."""
    try:
        yield
    except OSError as error:
        raise _translate(error, path) from error


def _translate(error: OSError, path: str) -> BinderyError:
    if isinstance(error, FileNotFoundError):
        return NoSuchFile("files.not-found", _("There is no file “%(path)s”.") % {"path": path})
    message = _("“%(path)s” cannot be read or changed: %(why)s.")
    return NotAllowed("files.refused", message % {"path": path, "why": error.strerror or error})
