"""Forms have the API's rate limits and share its counters, so using both gives nobody more."""

from __future__ import annotations

import time

import pytest
from django.test import Client

from portal.models import User
from sessions.models import Project
from sessions.states import ProjectState
from tests.making import with_token
from tests.stages import project_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def minute(monkeypatch, settings) -> None:
    """A minute that stands still, with room for three changes by a person and four by strangers."""
    settings.PORTAL_API_CHANGE_RATE, settings.PORTAL_API_STRANGER_RATE = 3, 4
    now = 60.0 * (time.time() // 60)
    monkeypatch.setattr("sessions.api.throttles.time.time", lambda: now + 20)


def launch(client: Client, **headers: str):
    return client.post("/launch/", {"repository": "ada/flowers"}, headers=headers)


def test_form_sent_too_often_answers_429_and_does_nothing(as_ada, backend):
    statuses = [launch(as_ada).status_code for _time in range(5)]
    assert statuses == [303, 303, 303, 429, 429]
    assert Project.objects.count() == 3
    answer = launch(as_ada)
    assert answer["Retry-After"] == "40"
    assert "Try again in 40 seconds." in answer.content.decode()


def test_pages_and_api_share_one_rate_limit(ada, as_ada, backend):
    api = with_token(ada)
    wish = {"repository": "ada/flowers"}
    found = [
        launch(as_ada).status_code,
        api.post("/api/v1/projects/", wish, content_type="application/json").status_code,
        launch(as_ada).status_code,
        launch(as_ada).status_code,
        api.post("/api/v1/projects/", wish, content_type="application/json").status_code,
    ]
    assert found == [303, 201, 303, 429, 429]


@pytest.mark.parametrize(
    "path",
    ["/account/tokens/", "/account/ssh-key/replace/", "/account/ask/", "/going/keep/",
     "/account/tokens/revoke/", "/projects/nothing/stop/", "/admin/portal/user/",
     "/account/sign-out-everywhere/", "/nowhere/"],
)  # fmt: skip
def test_every_form_counts_whatever_its_outcome(as_ada, path, backend):
    for _time in range(3):
        as_ada.post(path)
    if path != "/account/sign-out-everywhere/":
        assert as_ada.post(path).status_code == 429


def test_viewing_pages_is_not_limited(as_ada, backend):
    assert {as_ada.get("/").status_code for _time in range(10)} == {200}


def test_one_person_does_not_use_up_the_rate_of_another(as_ada, as_bob, backend):
    for _time in range(4):
        launch(as_ada)
    assert launch(as_bob).status_code == 303


def test_rate_limited_htmx_request_keeps_the_page_and_adds_a_message(as_ada, backend):
    project = project_in(ProjectState.READY, User.objects.get(username="ada"))
    for _time in range(3):
        launch(as_ada)
    answer = as_ada.post(f"/projects/{project.name}/stop/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Reswap"]) == (429, "none")
    assert "hx-swap-oob" in answer.content.decode()
    assert "this was not done" in answer.content.decode()


def test_signed_out_requests_are_limited_by_address():
    here = [Client().post("/sign-in/", {"username": f"u{n}"}).status_code for n in range(5)]
    assert here == [200, 200, 200, 200, 429]
    assert Client(REMOTE_ADDR="192.0.2.9").post("/sign-in/").status_code == 200


def test_ipv6_network_counts_as_one_address():
    def tried(number: int) -> int:
        client = Client(REMOTE_ADDR=f"2001:db8::{number:x}")
        return client.post("/sign-in/", {}).status_code

    assert [tried(number) for number in range(1, 6)] == [200, 200, 200, 200, 429]


def test_rate_of_zero_disables_the_limit(as_ada, settings, backend):
    settings.PORTAL_API_CHANGE_RATE = 0
    for _time in range(10):
        assert as_ada.post("/going/keep/").status_code != 429
