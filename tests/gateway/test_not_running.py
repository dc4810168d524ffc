"""The page shown while a notebook is starting or stopped, instead of a bad-gateway error."""

from __future__ import annotations

import pytest
from django.db import connection
from websockets.exceptions import InvalidStatus

from sessions.models import Access, Project, Session
from sessions.states import SessionState
from tests.backends.waiting import until
from tests.gateway.conftest import browser_of, make_project, ticket_for
from tests.gateway.notebook import Notebook

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored


@pytest.fixture
def stopped(ada, port):
    """Ada's browser at the notebook of a project that has never run."""
    project = make_project(ada, "ada-flowers-aaaaaaaa")
    browser = browser_of(ada, project)
    assert browser.enter(ticket_for(browser, ada, project)).status_code == 302
    return browser


def run(state: SessionState, address: str = "") -> Session:
    Session.objects.all().delete()
    project = Project.objects.get()
    session = Session.objects.create(
        project=project,
        state=state,
        address=address,
        cpu_request=1,
        cpu_limit=1,
        memory_request_gb=1,
        memory_limit_gb=1,
    )
    Project.objects.update(current=session)
    return session


@pytest.mark.parametrize("state", [SessionState.WAITING, SessionState.SPAWNING])
def test_a_starting_notebook_shows_a_page_that_refreshes(stopped, state, notebook):
    run(state)
    page = stopped.open_page()
    assert page.status_code == 503
    assert page.headers["retry-after"] == "2"
    assert '<meta http-equiv="refresh" content="2">' in page.text
    assert "starting" in page.text
    run(SessionState.READY, notebook.address)
    until(lambda: stopped.open_page().status_code == 200)


def test_a_notebook_that_is_stopping_shows_a_page_that_refreshes(stopped):
    run(SessionState.STOPPING)
    page = stopped.open_page()
    assert page.status_code == 503
    assert page.headers["retry-after"] == "2"
    assert "being stopped" in page.text


@pytest.fixture
def gone(stopped, tmp_path, settings) -> None:
    """The notebook's server has ended, and the gateway still takes it for running."""
    settings.PORTAL_GATEWAY_RECHECK = 60
    with Notebook(tmp_path / "socket") as server:
        run(SessionState.READY, server.address)
        assert stopped.open_page().status_code == 200


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (SessionState.STOPPING, "being stopped"),
        (SessionState.STOPPED, "not running"),
        (SessionState.SPAWNING, "starting"),
    ],
)
def test_a_page_right_after_a_stop_or_start_says_so(stopped, gone, state, words):
    run(state)
    page = stopped.open_page()
    assert page.status_code == 503
    assert words in page.text
    assert "the staff this reference" not in page.text
    assert stopped.ask("/api/status").json()["code"] == "gateway.not-running"


def test_a_page_right_after_a_restart_goes_on_to_the_new_server(stopped, gone, notebook):
    run(SessionState.READY, notebook.address)
    page = stopped.open_page()
    assert (page.status_code, page.headers["retry-after"]) == (503, "2")
    assert "starting" in page.text
    assert stopped.open_page().status_code == 200


def test_a_page_right_after_start_does_not_say_that_nothing_runs(stopped, settings):
    settings.PORTAL_GATEWAY_RECHECK = 60
    assert "not running" in stopped.open_page().text
    run(SessionState.SPAWNING)
    assert "starting" in stopped.open_page().text


@pytest.mark.parametrize("state", [None, "stopped", "failed"])
def test_a_stopped_notebook_shows_a_link_to_its_project(stopped, state):
    if state:
        run(SessionState(state))
    page = stopped.open_page()
    assert page.status_code == 503
    assert "retry-after" not in page.headers
    assert "http-equiv" not in page.text
    assert f'href="http://localhost:{stopped.port}/projects/{stopped.project}/"' in page.text
    assert page.headers["cache-control"] == "no-store"


def test_opening_a_link_does_not_start_a_notebook(stopped):
    stopped.open_page()
    assert not Session.objects.exists()


def test_api_clients_get_503_with_a_code(stopped):
    for path, fields in (("/api/status", {"Accept": "text/html"}), ("/x", {"Accept": "*/*"})):
        answer = stopped.ask(path, **fields)
        assert (answer.status_code, answer.json()["code"]) == (503, "gateway.not-running")
    with pytest.raises(InvalidStatus) as refusal:
        stopped.socket()
    assert refusal.value.response.status_code == 503


def test_a_database_outage_is_503_with_a_code(stopped, caplog):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {Access._meta.db_table} RENAME TO elsewhere")
        try:
            page, answer = stopped.open_page(), stopped.ask("/api/status")
        finally:
            cursor.execute(f"ALTER TABLE elsewhere RENAME TO {Access._meta.db_table}")
    assert (page.status_code, answer.status_code) == (503, 503)
    assert answer.json()["code"] == "gateway.unavailable"
    assert "Traceback" not in page.text
    assert "cannot look up" in caplog.text
    caplog.clear()
