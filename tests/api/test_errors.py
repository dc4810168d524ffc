"""All errors have one form: a code for programs and a sentence for people."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import path

from keys.models import Token
from portal import urls
from portal.lib.logs import context
from portal.urls import handler500  # noqa: F401  this module is a test's ROOT_URLCONF
from tests.api.conftest import post
from tests.logs import written
from tests.making import with_token

pytestmark = pytest.mark.django_db


def broken(request):
    raise RuntimeError("what only the log may know")


urlpatterns = [
    path("api/v1/broken/", broken),
    path("broken/", broken),
    path("build/broken", broken),
    *urls.urlpatterns,
]


def _says(answer, status: int, code: str) -> None:
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "address",
    [
        *(f"v1/{each}" for each in ("nothing/", "nothing", "", "me/more/", "projects/a/b/")),
        "",
        "v2/x",
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_address_is_404_for_everybody(api, address, method):
    for client in (api, Client()):
        _says(getattr(client, method)(f"/api/{address}"), 404, "not_found")


def test_an_anonymous_request_is_401_with_a_challenge():
    answer = Client().get("/api/v1/me/")
    _says(answer, 401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("address", "body", "field"),
    [
        ("tokens/", {"name": "t", "expires_in_days": 3}, "expires_in_days"),
        ("projects/", {"repository": "ada/flowers", "branch": "dev"}, "branch"),
        ("projects/x/start/", {"safemode": True}, "safemode"),
        ("projects/", {"x" * 200: 1}, "x" * 100),
    ],
)
def test_a_misspelled_field_is_named(api, ada, launch, address, body, field):
    project = launch(ada)[0]
    answer = post(api, address.replace("/x/", f"/{project.name}/"), body)
    _says(answer, 400, "invalid")
    assert list(answer.json()["fields"]) == [field]
    assert not Token.objects.filter(name="t").exists()


def test_fields_of_an_error_are_an_object_even_if_it_is_about_the_whole_body(ada, root):
    answer = with_token(root).patch("/api/v1/users/ada/limits/", [], "application/json")
    _says(answer, 400, "invalid")
    assert list(answer.json()["fields"]) == ["non_field_errors"]


def test_an_unsupported_method_is_405_and_lists_the_allowed_ones(api):
    answer = api.put("/api/v1/projects/")
    _says(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_an_unavailable_media_type_is_406(api):
    _says(api.get("/api/v1/me/", headers={"Accept": "text/csv"}), 406, "not_acceptable")


def test_a_body_of_an_unsupported_type_is_415(api):
    answer = api.post("/api/v1/projects/", "repository: x", "application/yaml")
    _says(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("body", ["{", "[", '{"a": NaN}', "\xff", '"\\ud800'])
def test_a_body_that_is_not_json_is_400(api, body):
    answer = api.post("/api/v1/projects/", body.encode("latin-1"), "application/json")
    _says(answer, 400, "parse_error")


@pytest.mark.parametrize("body", [[], "text", 7, None, {"repository": None}, {"repository": []}])
def test_json_of_the_wrong_shape_is_400(api, body):
    answer = api.generic("POST", "/api/v1/projects/", json.dumps(body), "application/json")
    _says(answer, 400, "invalid")


def test_a_missing_slash_redirects_and_keeps_the_method(api):
    answer = post(api, "projects?x=1", {"repository": "ada/flowers"})
    assert (answer.status_code, answer.headers["Location"]) == (308, "/api/v1/projects/?x=1")
    assert api.get("/api/v1/me", follow=True).json()["username"] == "ada"


def test_responses_are_not_cacheable(api, launch, ada):
    name = launch(ada)[0].name
    for address in ("me/", "projects/", f"projects/{name}/", "tokens/", "nothing-of-mine/"):
        assert "no-store" in api.get(f"/api/v1/{address}").headers["Cache-Control"]


def test_head_answers_like_get_without_a_body(api):
    answer = api.head("/api/v1/projects/")
    assert (answer.status_code, answer.content) == (200, b"")


def test_options_lists_the_methods(api):
    answer = api.options("/api/v1/projects/")
    assert (answer.status_code, answer.headers["Allow"]) == (200, "GET, POST, HEAD, OPTIONS")


def test_a_server_error_is_json_with_a_reference_and_html_elsewhere(settings):
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False)
    with written() as log, context.log_scope() as reference:
        answer = client.get("/api/v1/broken/")
    _says(answer, 500, "error")
    assert answer.json()["reference"] == reference
    assert reference in answer.json()["detail"]
    [line] = log.objects("django.request")
    assert line["reference"] == reference
    assert "what only the log may know" in line["exception"]
    assert b"what only the log may know" not in answer.content
    assert client.get("/broken/").headers["Content-Type"].startswith("text/html")
    event = client.get("/build/broken").json()
    assert (event["phase"], event["status_code"]) == ("failed", 500)
    assert event["message"] == f"{event['detail']}\n"
