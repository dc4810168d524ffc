"""Wait for what another process does, and ask a notebook server."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from sessions.backends import Backend, BuildReport, BuildSpec, ServerReport, ServerSpec
from tests.pauses import looked

Found = TypeVar("Found")


def until(look: Callable[[], Found | None], seconds: float = 240) -> Found:
    """Return what ``look`` returns, as soon as that is true; fail after ``seconds``."""
    found = looked(look, seconds)
    assert found, f"still {found!r} after {seconds} s"
    return found


def build_report(backend: Backend, number: int) -> BuildReport | None:
    return next((report for report in backend.builds() if report.id == number), None)


def server_report(backend: Backend, number: int) -> ServerReport | None:
    return next((report for report in backend.servers() if report.id == number), None)


def finished(backend: Backend, spec: BuildSpec) -> BuildReport:
    """Return the report of the build once it has ended, in whatever way."""

    def over() -> BuildReport | None:
        report = build_report(backend, spec.id)
        return report if report and report.finished else None

    return until(over, 240)


def built(backend: Backend, spec: BuildSpec) -> BuildSpec:
    """Have the image built; return its spec."""
    backend.ensure_build(spec)
    report = finished(backend, spec)
    assert report.code == "", f"{report}\n{log(backend, spec.id)}"
    backend.forget_build(spec.id)
    return spec


def settled(backend: Backend, spec: ServerSpec) -> ServerReport:
    """Return the report of the notebook once it is no longer starting."""

    def known() -> ServerReport | None:
        report = server_report(backend, spec.id)
        return report if report and report.state != "starting" else None

    return until(known)


def removed(backend: Backend, number: int) -> None:
    """Remove the notebook and wait until it is gone."""
    backend.remove_server(number)
    until(lambda: _is_gone(backend, number), 120)
    backend.forget_server(number)
    until(lambda: server_report(backend, number) is None, 120)


def _is_gone(backend: Backend, number: int) -> bool:
    report = server_report(backend, number)
    return report is None or report.state == "gone"


def log(backend: Backend, number: int, position: str = "") -> str:
    """Return all of the build's log after the position."""
    text = ""
    while piece := backend.read_log(number, position):
        text, position = text + piece.text, piece.position
    return text


def ask(address: str, path: str, token: str = "") -> tuple[int, bytes]:
    """Return status and body of the answer of the notebook server at ``address``."""
    connection = _connection(address)
    headers = {"Authorization": f"token {token}"} if token else {}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    status, body = answer.status, answer.read()
    connection.close()
    return status, body


def _connection(address: str) -> http.client.HTTPConnection:
    if not address.startswith("unix:"):
        return http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(10)
    connection.sock.connect(address.removeprefix("unix:"))
    return connection
