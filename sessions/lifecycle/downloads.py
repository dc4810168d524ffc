"""Send people's own files as downloads, piece by piece; a browser never shows them itself."""

from __future__ import annotations

import re

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from portal.lib.streaming import iterate_in_thread, zip_response
from sessions.backends.messages import printable
from sessions.backends.personfiles import PersonFiles


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
