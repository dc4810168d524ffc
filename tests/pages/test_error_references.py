"""References on error pages lead to the lines of the log that belong to the error."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django_q.tasks import async_task

from portal import urls
from portal.lib.logs import context
from portal.lib.logs.requests import RequestsMiddleware, RequestTrace, log_request
from sessions.lifecycle.ending import handle_failures
from sessions.models import Session
from tests.asgi_requests import ask
from tests.logs import written
from tests.past_sessions import ran

log = logging.getLogger("tests.references")
pytestmark = pytest.mark.django_db(transaction=True)
NUMBER = re.compile(r"[0-9a-f]{8}")


def broken(request: HttpRequest) -> HttpResponse:
    log.info("asked by %s", "somebody" if request.user.is_authenticated else "nobody")
    raise LookupError("this page is broken")


urlpatterns = [path("broken/", broken), path("api/v1/broken/", broken), *urls.urlpatterns]
handler500 = urls.handler500


@pytest.fixture
def with_broken_page(settings) -> None:
    settings.ROOT_URLCONF = __name__


async def test_each_response_has_its_own_reference():
    answers = [await ask("/sign-in/"), await ask("/sign-in/"), await ask("/nowhere/")]
    references = [answer.headers["x-reference"] for answer in answers]
    assert len(set(references)) == 3
    assert all(NUMBER.fullmatch(reference) for reference in references)


async def test_reference_sent_by_a_client_is_ignored():
    answer = await ask("/sign-in/", X_Reference="deadbeef")
    assert answer.headers.get_list("x-reference") != ["deadbeef"]
    assert len(answer.headers.get_list("x-reference")) == 1


async def test_error_page_shows_the_reference_of_its_log_lines(with_broken_page, ada):
    with written() as output:
        answer = await ask("/broken/", ada)
    reference = answer.headers["x-reference"]
    assert answer.status_code == 500
    assert reference in answer.text
    [mine] = output.objects("tests.references")
    [fault] = [each for each in output.objects() if each["level"] == "ERROR"]
    assert {mine["reference"], fault["reference"]} == {reference}
    assert {mine["user"], fault["user"]} == {ada.pk}
    assert "LookupError" in fault["exception"]


async def test_api_error_includes_the_reference_too(with_broken_page):
    answer = await ask("/api/v1/broken/")
    assert answer.json()["reference"] == answer.headers["x-reference"]


async def test_user_is_not_looked_up_only_for_the_log(backend, ada):
    with written() as output:
        assert (await ask("/health", ada)).status_code in {200, 503}
    assert [each for each in output.objects() if "user" in each] == []


async def test_the_requests_of_two_people_are_kept_apart(with_broken_page, ada, bob):
    with written() as output:
        answers = [await ask("/broken/", ada), await ask("/broken/"), await ask("/broken/", bob)]
    found = [(each["reference"], each.get("user")) for each in output.objects("tests.references")]
    references = [answer.headers["x-reference"] for answer in answers]
    assert found == list(zip(references, [ada.pk, None, bob.pk], strict=True))


async def test_request_log_names_the_route_and_not_the_path():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 404, "headers": []})

    async def send(message):
        assert message["headers"][0][0] == b"x-reference"

    scope = {"type": "http", "method": "GET", "path": "/projects/ada-secret/"}
    with written() as output:
        await RequestsMiddleware(app, on_end=[log_request])(scope, None, send)
    [line] = output.objects("portal.lib.logs.requests")
    assert (line["method"], line["route"], line["status"]) == ("GET", "other", 404)
    assert line["milliseconds"] >= 0
    assert "ada-secret" not in output.getvalue()


async def test_exception_without_a_response_is_logged_as_500():
    told: list[RequestTrace] = []

    async def app(scope, receive, send):
        raise LookupError

    with pytest.raises(LookupError):
        await RequestsMiddleware(app, on_end=[told.append])({"type": "http"}, None, None)
    assert [each.status for each in told] == [500]


async def test_client_that_leaves_early_is_logged_as_499():
    told: list[RequestTrace] = []

    async def cancelled(scope, receive, send):
        raise asyncio.CancelledError

    async def ended(scope, receive, send):
        return

    with pytest.raises(asyncio.CancelledError):
        await RequestsMiddleware(cancelled, on_end=[told.append])({"type": "http"}, None, None)
    await RequestsMiddleware(ended, on_end=[told.append])({"type": "http"}, None, None)
    assert [each.status for each in told] == [499, 499]


def say(session_id: int, **_newer: object) -> None:
    log.info("working")


def test_log_lines_of_a_task_have_a_reference_and_its_row():
    with written() as output:
        for number in (4, 5):
            async_task(f"{__name__}.say", number, sync=True)
        log.info("afterwards")
    first, second, after = output.objects("tests.references")
    assert (first["session"], second["session"]) == (4, 5)
    assert first["task"] == f"{__name__}.say"
    assert NUMBER.fullmatch(first["reference"])
    assert first["reference"] != second["reference"]
    assert not {"reference", "session", "task"} & set(after)


def mistake() -> None:
    raise LookupError("a mistake of ours")


def test_failure_message_shows_the_reference_of_its_task(ada):
    session = ran(ada, None, None, state="waiting", attempts=2)
    with written() as output, context.log_scope() as reference, handle_failures(session):
        mistake()
    [line] = output.objects("sessions.lifecycle.ending")
    assert (line["reference"], line["session"]) == (reference, session.pk)
    assert line["project"] == session.project_id
    assert reference in Session.objects.get(pk=session.pk).message


def test_failure_outside_a_task_gets_its_own_reference(ada):
    session = ran(ada, None, None, state="waiting", attempts=2)
    with written() as output, handle_failures(session):
        mistake()
    [line] = output.objects("sessions.lifecycle.ending")
    assert line["reference"] in Session.objects.get(pk=session.pk).message
