"""A package index with one package, `flowers`, over plain HTTP."""

from __future__ import annotations

import io
from http.server import BaseHTTPRequestHandler
from zipfile import ZipFile

from tests.threadserver import ThreadServer

PACKAGE = "flowers"
_WHEEL = f"{PACKAGE}-1.0-py3-none-any.whl"
_ABOUT = f"{PACKAGE}-1.0.dist-info"


def _wheel() -> bytes:
    whole = io.BytesIO()
    with ZipFile(whole, "w") as archive:
        archive.writestr(f"{PACKAGE}/__init__.py", "")
        archive.writestr(
            f"{_ABOUT}/METADATA", f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n"
        )
        tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{_ABOUT}/WHEEL", tag)
        archive.writestr(f"{_ABOUT}/RECORD", "")
    return whole.getvalue()


class _Request(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.endswith(".whl"):
            self._say("application/octet-stream", _wheel())
        elif self.path.rstrip("/").endswith(f"/{PACKAGE}"):
            self._say("text/html", f'<a href="/{_WHEEL}">{_WHEEL}</a>'.encode())
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def _say(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


class PackageIndex(ThreadServer):
    """The index; it is served while the `with` block lasts."""

    def __init__(self) -> None:
        super().__init__(_Request)
