"""A web server serves the portal's own pages (`portal.handler`)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.signals import request_finished, request_started
from django.db import connections

from keys.models import Token
from portal.models import User
from sessions.models import Project
from tests.backends.waiting import until

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored

Seen = list[tuple[str, str]]


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Record in which threads requests began and ended."""
    found: Seen = []

    def begun(**_more: Any) -> None:
        found.append(("begun", threading.current_thread().name))

    def ended(**_more: Any) -> None:
        found.append(("ended", threading.current_thread().name))

    request_started.connect(begun)
    request_finished.connect(ended)
    yield found
    request_started.disconnect(begun)
    request_finished.disconnect(ended)


@pytest.fixture
def static_file(settings: Any, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(300_000))
    return file


@contextmanager
def events(port: int, project: Project, owner: User) -> Iterator[None]:
    """Read a project's events during the block; the first one has arrived."""
    _token, secret = Token.objects.issue(owner, "reader")
    headers = {"Authorization": f"Bearer {secret}", "Accept": "text/event-stream"}
    address = f"http://localhost:{port}/api/v1/projects/{project.name}/events/"
    with httpx.stream("GET", address, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw()  # which closes the answer as soon as nobody holds it
        assert next(pieces)
        yield


def test_sequential_requests_run_in_one_thread(port: int, seen: Seen) -> None:
    with httpx.Client(base_url=f"http://localhost:{port}") as client:
        for number in range(1, 6):
            assert client.get("/sign-in/").status_code == 200
            until(lambda: len(seen) == 2 * number)  # noqa: B023  (called at once)
            time.sleep(0.3)  # the thread waits again a moment after its answer is there
    assert [what for what, _thread in seen] == ["begun", "ended"] * 5
    assert len({thread for _what, thread in seen}) == 1


@pytest.mark.usefixtures("quick_rechecks")
def test_a_stream_is_closed_when_its_reader_leaves(port: int, seen: Seen, project, ada) -> None:
    with events(port, project, ada):
        assert [what for what, _thread in seen] == ["begun"]
    until(lambda: [what for what, _thread in seen] == ["begun", "ended"])


@pytest.mark.usefixtures("quick_rechecks")
def test_a_stream_holds_no_database_connection_of_its_first_thread(port, project, ada) -> None:
    held = []

    def begun(**_more: Any) -> None:
        held.append(connections["default"])

    request_started.connect(begun)
    try:
        with events(port, project, ada):
            assert [each.connection for each in held] == [None]
    finally:
        request_started.disconnect(begun)


@pytest.mark.filterwarnings("error:StreamingHttpResponse")
def test_a_static_file_is_streamed(static_file: Path, port: int, seen: Seen) -> None:
    answer = httpx.get(f"http://localhost:{port}/static/{static_file.name}")
    assert answer.content == static_file.read_bytes()
    until(lambda: [what for what, _thread in seen] == ["begun", "ended"])


def test_an_invalid_path_is_refused(port: int, seen: Seen) -> None:
    answer = httpx.get(f"http://localhost:{port}/%ff%fe/")
    assert answer.status_code in {400, 404}
    until(lambda: [what for what, _thread in seen] == ["begun", "ended"])
