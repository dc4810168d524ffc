"""Project events resume from `Last-Event-ID`, or from `after` if that is missing."""

from __future__ import annotations

import pytest

from sessions.models import Project
from sessions.progress import journal
from sessions.states import ProjectState
from tests.making import with_token
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]


@pytest.fixture
def project(ada) -> Project:
    return project_in(ProjectState.READY, ada)


@pytest.fixture
def cursors(project) -> list[int]:
    """Return the cursor of each event, in order."""
    found = [item["cursor"] for item in journal.read(project.pk, 0).items]
    assert len(found) >= 5
    return found


@pytest.fixture
def read(ada, project):
    """Return a function that reads events with these parameters and returns their cursors."""
    client = with_token(ada)
    address = f"/api/v1/projects/{project.name}/events/"

    def ask(after: object = None, last: object = None) -> list[int]:
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        query = {} if after is None else {"after": str(after)}
        answer = client.get(address, query, headers=headers)
        assert answer.status_code == 200, answer.text
        return [event["cursor"] for event in answer.json()["events"]]

    return ask


def test_without_a_cursor_every_event_is_returned(read, cursors):
    assert read() == cursors
    assert read(after="") == read(last="") == read(after=0) == read(last=0) == cursors


def test_each_cursor_returns_the_events_after_it(read, cursors):
    for place, cursor in enumerate(cursors):
        assert read(after=cursor) == read(last=cursor) == cursors[place + 1 :]


def test_the_header_wins_over_the_query(read, cursors):
    """A browser that comes back asks for the address that it was given first, with the header."""
    assert read(after=cursors[0], last=cursors[3]) == cursors[4:]
    assert read(after=cursors[3], last=cursors[0]) == cursors[1:]
    assert read(after=cursors[3], last=0) == cursors
    assert read(after=cursors[3], last="") == cursors[4:]


@pytest.mark.parametrize("words", [{"last": "x"}, {"after": "x"}, {"last": "x", "after": "1"}])
def test_an_invalid_cursor_is_refused_in_header_and_query(ada, project, words):
    headers = {"Last-Event-ID": words["last"]} if "last" in words else {}
    query = {"after": words["after"]} if "after" in words else {}
    address = f"/api/v1/projects/{project.name}/events/"
    answer = with_token(ada).get(address, query, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "events.cursor")
