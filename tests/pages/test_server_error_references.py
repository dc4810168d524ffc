"""Every answer from 500 on carries the reference under which the log has the details."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client
from django.urls import path
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.views import APIView

from portal import urls
from portal.lib.logs import context
from portal.lib.logs.requests import RequestsMiddleware
from portal.urls import handler500  # noqa: F401  this module is a test's ROOT_URLCONF
from sessions.api.endpoint import endpoint
from sessions.errors import InternalError, NotAllowed, TemporaryError
from sessions.gateway import responses
from sessions.gateway.request import GatewayRequest


class Late(exceptions.APIException):
    status_code = 504


FAULTS: dict[str, tuple[Exception, int]] = {
    "unknown": (LookupError("what only the log may know"), 500),
    "ours": (InternalError("ours", "It is broken."), 500),
    "passes": (TemporaryError("passes", "Try again."), 503),
    "of-the-framework": (exceptions.APIException("It is broken."), 500),
    "late": (Late("It took too long."), 504),
    "full": (OSError(errno.ENOSPC, "No space left on device"), 503),
    "away": (OperationalError("the connection is closed"), 503),
}
REFUSALS: dict[str, tuple[Exception, int]] = {
    "not-allowed": (NotAllowed("no", "You may not."), 403),
    "not-there": (exceptions.NotFound(), 404),
}
OF_PAGES = ["unknown", "full", "away"]


class Broken(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request, name: str) -> Any:
        raise (FAULTS | REFUSALS)[name][0]


def broken(request: HttpRequest, name: str) -> Any:
    raise FAULTS[name][0]


urlpatterns = [
    path("api/v1/broken/<slug:name>/", endpoint(Broken, throttle_classes=())),
    path("broken/<slug:name>/", broken),
    *urls.urlpatterns,
]


@pytest.fixture
def ask(settings):
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False).get


@pytest.mark.parametrize("name", FAULTS)
def test_api_fault_includes_the_reference(ask, name):
    with context.log_scope() as reference:
        answer = ask(f"/api/v1/broken/{name}/")
    assert answer.status_code == FAULTS[name][1]
    assert answer.json()["reference"] == reference
    assert answer.json().keys() >= {"code", "detail"}


@pytest.mark.parametrize("name", OF_PAGES)
def test_error_page_includes_the_reference(ask, name):
    with context.log_scope() as reference:
        answer = ask(f"/broken/{name}/")
    assert answer.status_code == FAULTS[name][1]
    assert reference in answer.text


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_includes_no_reference(ask, name):
    answer = ask(f"/api/v1/broken/{name}/")
    assert answer.status_code == REFUSALS[name][1]
    assert "reference" not in answer.json()


@pytest.mark.parametrize("status", [200, 302, 404, 500, 502, 503, 504])
async def test_every_response_has_the_reference_in_its_header(status):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": context.reference().encode()})

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await RequestsMiddleware(app)({"type": "http"}, None, send)
    assert dict(sent[0]["headers"])[b"x-reference"] == sent[1]["body"]


@pytest.mark.parametrize("accept", [b"text/html", b"application/json"])
@pytest.mark.parametrize("say", [responses.no_answer, responses.unavailable])
def test_gateway_fault_includes_the_reference(say, accept):
    headers = [(b"host", b"flowers-1.localhost"), (b"accept", accept)]
    scope = {"type": "http", "method": "GET", "path": "/lab", "raw_path": b"/lab",
             "query_string": b"", "scheme": "http", "headers": headers}  # fmt: skip
    arrival = GatewayRequest.from_scope(scope, "flowers-1")
    with context.log_scope() as reference:
        answer = say(arrival)
    assert answer.status >= 500
    assert reference.encode() in answer.body
