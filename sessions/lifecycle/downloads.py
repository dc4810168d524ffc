"""Send people's own files as downloads, piece by piece; a browser never shows them itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from portal.lib.streaming import CHUNK_BYTES, File, iterate_in_thread, zip_response
from sessions.backends.messages import printable
from sessions.repofiles.browse import Browser


def file_response(browser: Browser, path: str) -> StreamingHttpResponse:
    """Return the file as a download. Raises `OSError` if it cannot be opened."""
    file, name = browser.open(path), printable(path.rpartition("/")[2])
    return StreamingHttpResponse(
        iterate_in_thread(_pieces(file)),
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": content_disposition_header(True, name) or "",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def folder_response(browser: Browser, path: str) -> StreamingHttpResponse:
    """Return the folder as a ZIP archive. Raises `OSError` if it cannot be opened."""
    browser.entries(path)
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path)
    return zip_response(f"{name[-100:]}.zip", _files(browser, path))


def _files(browser: Browser, path: str) -> Iterator[File]:
    for name, file in browser.files(path):
        yield name, _contents(file)


def _contents(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(CHUNK_BYTES):
        yield piece


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from _contents(file)
