"""Pages of listed origins use the API with tokens; with cookies, or from elsewhere, they cannot."""

from __future__ import annotations

import pytest
from django.test import Client

from keys.models import Token
from sessions.models import Project
from tests.api.conftest import REPOSITORY
from tests.making import with_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

BOOK = "https://book.example.org"
OTHERS = [
    "https://evil.example",
    "http://book.example.org",
    f"{BOOK}:8443",
    f"{BOOK}/",
    "null",
    "*",
]
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}
WISH = {"repository": REPOSITORY}


@pytest.fixture(autouse=True)
def listed(settings) -> None:
    settings.PORTAL_CORS_ORIGINS = [BOOK]


def test_a_preflight_of_a_listed_origin_is_allowed_what_the_address_can():
    asked = Client().options("/api/v1/projects/", headers={"Origin": BOOK, **PREFLIGHT})
    assert (asked.status_code, asked["Access-Control-Allow-Origin"]) == (204, BOOK)
    assert asked["Access-Control-Allow-Methods"] == "GET, POST"
    assert asked["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert "Access-Control-Allow-Credentials" not in asked
    assert "Origin" in asked["Vary"]


@pytest.mark.parametrize("origin", OTHERS)
def test_another_origin_may_ask_and_read_nothing(ada, origin):
    asked = Client().options("/api/v1/projects/", headers={"Origin": origin, **PREFLIGHT})
    answer = with_token(ada).get("/api/v1/projects/", headers={"Origin": origin})
    for each in (asked, answer):
        assert "Access-Control-Allow-Origin" not in each
        assert "Access-Control-Allow-Methods" not in each
        assert "Origin" in each["Vary"]


def test_a_listed_origin_launches_with_a_token_and_reads_the_answer(ada):
    api = with_token(ada)
    made = api.post("/api/v1/projects/", WISH, "application/json", headers={"Origin": BOOK})
    assert (made.status_code, made["Access-Control-Allow-Origin"]) == (201, BOOK)
    assert "Location" in made["Access-Control-Expose-Headers"]
    read = api.get("/api/v1/projects/", headers={"Origin": BOOK})
    assert [each["name"] for each in read.json()] == [made.json()["name"]]
    assert "Access-Control-Allow-Credentials" not in read


def test_it_can_read_why_it_is_refused(ada, settings):
    secret = Token.objects.issue(ada, "test", ["read"])[1]
    own = {"Origin": BOOK, "Authorization": f"Bearer {secret}"}
    refused = [
        Client().post("/api/v1/projects/", WISH, "application/json", headers=own),
        Client().get("/api/v1/projects/", headers=own | {"Authorization": "Bearer bdy_old"}),
        Client().get("/api/v1/projects/none/", headers=own),
        Client().get("/api/v1/projects/", headers={"Origin": BOOK}),
    ]
    assert [answer.status_code for answer in refused] == [403, 401, 404, 401]
    settings.PORTAL_API_RATE = 1
    refused += [Client().get("/api/v1/projects/", headers=own) for _time in range(3)]
    assert refused[-1].status_code == 429
    assert {answer["Access-Control-Allow-Origin"] for answer in refused} == {BOOK}


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
def test_a_listed_origin_can_do_nothing_with_a_cookie(as_ada, site):
    headers = {"Origin": BOOK} | ({"Sec-Fetch-Site": site} if site else {})
    read = as_ada.get("/api/v1/me/", headers=headers)
    assert (read.status_code, read.json()["code"]) == (403, "token.needed")
    made = as_ada.post("/api/v1/projects/", WISH, "application/json", headers=headers)
    assert made.status_code == 403
    assert not Project.objects.exists()


def test_a_token_counts_beside_a_cookie(ada, as_ada):
    secret = Token.objects.issue(ada, "test", ["read"])[1]
    own = {"Origin": BOOK, "Authorization": f"Bearer {secret}"}
    assert as_ada.get("/api/v1/me/", headers=own).status_code == 200


def test_the_portals_own_pages_go_on_by_cookie(as_ada, settings):
    assert as_ada.get("/api/v1/me/").status_code == 200
    settings.PORTAL_CORS_ORIGINS = ["http://testserver"]
    own = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert as_ada.get("/api/v1/me/", headers=own).status_code == 200
