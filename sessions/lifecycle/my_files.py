"""Let people reach their own files while their notebook does not run: list, download, delete.

A project that no longer starts would otherwise have to be deleted to get at what is in it. Only the
owner may: staff see a project, but nobody's files. A browser downloads them, and never shows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from portal.lib.streaming import iterate_in_thread, zip_response
from portal.models import User
from sessions.backends import PersonFiles, get_backend
from sessions.backends.messages import printable
from sessions.errors import BinderyError, NotAllowed, StateConflict, UserError
from sessions.models import Project
from sessions.repofiles.browse import Entry

from .files import volume_of


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


def file_response(files: PersonFiles, path: str) -> StreamingHttpResponse:
    """Return the file as a download. Raises `OSError` if it cannot be opened."""
    pieces, name = files.content(path), printable(path.rpartition("/")[2])
    return StreamingHttpResponse(
        iterate_in_thread(pieces),
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": content_disposition_header(True, name) or "",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def folder_response(files: PersonFiles, path: str) -> StreamingHttpResponse:
    """Return the folder as a ZIP archive. Raises `OSError` if it cannot be opened."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path)
    return zip_response(f"{name[-100:]}.zip", files.archive(path))


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
