"""Binder's launch links: what their page shows to whom, and what starts it."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest
from django.test import Client

from sessions import lifecycle
from sessions.models import Project, RepositoryRule
from sessions.states import ProjectState
from tests.asgi_requests import ask
from tests.making import words_of
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

LINK = "/v2/gh/ada/flowers/main?labpath=a.ipynb"
VISIT = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}
STARTS = "data-starts"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def shown(client: Client, address: str, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_link_says_what_it_launches_and_starts_nothing(as_ada, as_eve):
    for client in (as_ada, as_eve):
        words = words_of(client, LINK)
        assert "GitHub ada/flowers branch or tag main opens a.ipynb" in words
        assert '<meta property="og:title" content="GitHub: ada/flowers/main">' in shown(
            client, LINK
        )
    assert not Project.objects.exists()
    assert 'content="GitHub: ada/flowers/HEAD"' in shown(as_eve, "/v2/gh/ada/flowers/HEAD/")


def test_the_button_launches_what_the_link_says(as_ada):
    answer = as_ada.post(LINK)
    project = Project.objects.get()
    assert (answer.status_code, answer.url) == (303, f"/projects/{project.name}/")
    assert (project.repository, project.ref) == ("ada/flowers", "main")
    assert (project.path, project.urlpath) == ("a.ipynb", "doc/tree")
    assert "Opens a.ipynb" in words_of(as_ada, answer.url)
    as_ada.post("/v2/gh/ada/flowers/main?urlpath=rstudio/%3Fa%3Db")
    newest = Project.objects.latest("id")
    assert "Opens rstudio/?a=b" in words_of(as_ada, f"/projects/{newest.name}/")
    assert (newest.path, newest.urlpath) == ("", "rstudio/?a=b")


def test_the_form_has_a_token_and_needs_it(ada):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    assert browser.post(LINK).status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown(browser, LINK))
    assert token
    assert browser.post(LINK, {"csrfmiddlewaretoken": token[1]}).status_code == 303


def test_eve_signs_in_and_comes_back_to_the_same_address(ada, as_eve):
    link = "/v2/git/https%3A%2F%2Fh.org%2Fo%2Fr/main?urlpath=git-pull%3Frepo%3Dx%26a%3D%2525&x=%2"
    buttons = re.findall(r'role="button"\s+href="([^"]*)"', shown(as_eve, LINK))
    for way in (unescape(buttons[0]), as_eve.post(LINK).headers["Location"]):
        assert urlsplit(way).path == "/sign-in/"
        assert parse_qs(urlsplit(way).query) == {"next": [LINK]}
    ada.set_password("a password")
    ada.save()
    form = {"username": "ada", "password": "a password", "next": link}
    assert Client().post("/sign-in/", form).headers["Location"] == link
    assert not Project.objects.exists()


async def test_the_address_is_kept_as_it_was_sent(ada):
    link = "/v2/gl/g%2Fs%2Fr/feature%2Fx?labpath=a%2520b&x=%2"
    answer = await ask(link)
    assert f"next={'%2Fv2%2Fgl%2Fg%252Fs%252Fr%2Ffeature%252Fx%3Flabpath'}" in answer.text
    assert "GitLab: g/s/r/feature/x" in answer.text
    assert "opens a%20b" in answer.text


ESCAPES = [
    "feature%2Fx", "issue%237147", "%2", "%2520", "a+b", "%C3%BC", "has%20space", "%FF",
    "%E2%80%AE", "%0A", "..", "%2e%2e%2f", "%3Cb%3E", "a%5Cb", "'%22", "x" * 3000, "//", "%2F",
]  # fmt: skip


@pytest.mark.django_db(transaction=True)
@pytest.mark.one_database
@pytest.mark.parametrize("provider", ["gh/o/r", "gl/g%2Fr", "git/https%3A%2F%2Fh.org%2Fr"])
async def test_no_escape_is_a_server_error(ada, provider):
    for spec in ESCAPES:
        for link in (f"{spec}", f"main?labpath={spec}", f"main?urlpath={spec}"):
            answer = await ask(f"/v2/{provider}/{link}", ada)
            assert answer.status_code in {200, 400}, link
            assert "<b>" not in answer.text
    assert not await Project.objects.aexists()


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("/v2/gh/ada/flowers", "Did you mean “ada/flowers/HEAD”?"),
        ("/v2/nope/x/y", "No provider found for prefix “nope”"),
        ("/v2/", "No provider found for prefix “”"),
        ("/v2", "No provider found for prefix “”"),
        ("/v2/zenodo/3242074", "names nothing in an archive"),
        ("/v2/gh/ada/flowers/a..b", "not a valid branch, tag or commit"),
        ("/v2/git/https://10.0.0.1/o/r/main", "not on the public Internet"),
        ("/v2/gh/ada/flowers/" + "x" * 2000, "at most 2000 characters"),
    ],
)
def test_a_link_that_cannot_be_launched_says_what_to_do(as_ada, as_eve, link, told):
    for client in (as_ada, as_eve):
        answer = client.get(link)
        assert answer.status_code == 400
        page = unescape(answer.content.decode())
        assert told in page
        assert 'data-code="launch.' in page
        assert "og:title" not in page
        assert client.post(link).status_code in {303, 400}
    assert not Project.objects.exists()


def test_a_link_without_a_ref_leads_to_the_one_that_was_meant(as_ada):
    page = as_ada.get("/v2/gh/ada/flowers?labpath=a.ipynb").content.decode()
    assert 'href="/v2/gh/ada/flowers/HEAD?labpath=a.ipynb"' in page


def test_a_banned_repository_is_refused_to_those_who_are_signed_in(as_ada, as_eve):
    RepositoryRule.objects.create(pattern="github.com/ada/*", reason="It mines coins.")
    for answer in (as_ada.get(LINK), as_ada.post(LINK)):
        assert answer.status_code == 400
        assert "It mines coins." in answer.content.decode()
        assert STARTS not in answer.content.decode()
    assert "mines" not in shown(as_eve, LINK)


def test_at_the_limit_the_page_offers_to_make_room_and_then_launches(ada, as_ada):
    five = [project_in(ProjectState.STOPPED, ada, f"ada/no-{n}") for n in range(5)]
    answer = as_ada.post(LINK)
    page = " ".join(answer.content.decode().split())
    assert answer.status_code == 409
    assert 'data-code="quota.projects"' in page
    assert STARTS not in page
    for project in five:
        assert f'name="delete" value="{project.name}"' in page
    answer = as_ada.post(LINK, {"delete": five[0].name})
    assert answer.url == f"/projects/{Project.objects.latest('id').name}/"


@pytest.mark.parametrize(
    ("before", "link", "starts"),
    [
        ("main", "/v2/gh/ada/flowers/HEAD", True),
        ("main", "/v2/gh/ada/flowers/v2", True),
        ("main", "/v2/git/https%3A%2F%2Fgithub.com%2Fada%2Fflowers/main", True),
        ("feature/x", "/v2/gh/ada/flowers/feature/x", True),
        (COMMIT, f"/v2/gh/ada/flowers/{COMMIT}", True),
        ("main", f"/v2/gh/ada/flowers/{COMMIT}", False),  # perhaps a fork's
        ("main", "/v2/gh/ada/flowers/0123456", False),
        ("main", "/v2/gh/ada/flowers/feature/x", False),
        ("main", "/v2/gh/ada/flowers/pull/12/head", False),  # anybody's
        ("main", "/v2/gh/ada/flowers/pull%252F12%252Fhead", False),
        ("refs/pull/12/head", "/v2/gh/ada/flowers/refs/pull/12/head", False),
        ("main", "/v2/gh/bob/flowers/HEAD", False),
        (None, "/v2/gh/ada/flowers/HEAD", False),
    ],
)
def test_only_what_was_launched_before_starts_by_itself(
    ada, bob, as_ada, as_bob, settings, before, link, starts
):
    if before:
        lifecycle.launch(ada, "ada/flowers", before)
    assert (STARTS in shown(as_ada, link, **VISIT)) is starts
    assert STARTS not in shown(as_bob, link, **VISIT)
    settings.PORTAL_LAUNCH_LINKS = "start"
    assert STARTS in shown(as_bob, link, **VISIT)


def test_an_address_of_a_notebook_starts_only_if_it_is_known(ada, as_ada):
    lifecycle.launch(ada, "ada/flowers")
    link = "/v2/gh/ada/flowers/HEAD?urlpath=git-pull%3Frepo%3Dhttps%253A%252F%252Fh.org%252Fr"
    assert STARTS not in shown(as_ada, link, **VISIT)
    assert STARTS in shown(as_ada, "/v2/gh/ada/flowers/HEAD?labpath=b.ipynb", **VISIT)
    as_ada.post(link)
    assert STARTS in shown(as_ada, link, **VISIT)
    assert STARTS not in shown(as_ada, f"{link}2", **VISIT)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {**VISIT, "Sec-Fetch-Dest": "iframe"},
        {**VISIT, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {**VISIT, "Sec-Purpose": "prefetch;prerender"},
    ],
)
def test_only_a_navigation_of_the_window_starts_by_itself(ada, as_ada, as_eve, settings, headers):
    settings.PORTAL_LAUNCH_LINKS = "start"
    lifecycle.launch(ada, "ada/flowers")
    assert STARTS not in shown(as_ada, LINK, **headers)
    assert STARTS in shown(as_ada, LINK, **VISIT)
    assert STARTS not in shown(as_eve, LINK, **VISIT)


def test_the_page_lists_what_there_is_of_this_repository_already(ada, as_ada, as_bob):
    project = lifecycle.launch(ada, "ada/flowers")
    lifecycle.launch(ada, "ada/trees")
    page = shown(as_ada, LINK)
    assert page.count(f'href="/projects/{project.name}/"') == 1
    assert page.count('href="/projects/ada-') == 1
    assert project.name not in shown(as_bob, LINK)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/repo/ada/flowers", "/v2/gh/ada/flowers/HEAD"),
        ("/repo/ada/flowers/", "/v2/gh/ada/flowers/HEAD"),
        ("/repo/ada/flowers/a/b%20c.ipynb", "/v2/gh/ada/flowers/HEAD?urlpath=%2Fa%2Fb%20c.ipynb"),
        ("/repo/ada/%3F%23%0Dx", "/v2/gh/ada/%3F%23%0Dx/HEAD"),
        ("/repo/../%5Cevil.example/x", "/v2/gh/../%5Cevil.example/HEAD?urlpath=%2Fx"),
    ],
)
def test_old_addresses_lead_to_the_launch_link(as_eve, old, new):
    answer = as_eve.get(old)
    assert (answer.status_code, answer.url) == (302, new)


@pytest.mark.parametrize("address", ["/badge.svg", "/badge_logo.svg", "/assets/images/badge.svg"])
def test_badges_are_pictures_that_can_be_kept(as_eve, address):
    answer = as_eve.get(address)
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert ET.fromstring(answer.content).get("aria-label") == "launch: bindery"
    assert "public" in answer.headers["Cache-Control"]
    assert not answer.cookies
    again = as_eve.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert as_eve.head(address).status_code == 200


def texts_to_copy(page: str) -> list[str]:
    share = page.partition('id="share"')[2]
    return [unescape(text) for text in re.findall(r'data-copy="([^"]*)"', share)][:4]


def test_form_and_project_give_the_link_and_the_badge(ada, as_ada):
    link = "http://testserver/v2/gh/ada/flowers/main?urlpath=lab/tree/a%20%28b%29.ipynb"
    badge = "http://testserver/badge_logo.svg"
    expected = [
        link,
        f"[![Binder]({badge})]({link})",
        f".. image:: {badge}\n   :target: {link}",
        f'<a href="{link}"><img src="{badge}" alt="Binder"></a>',
    ]
    fields = {"repository": "ada/flowers", "ref": "main", "path": "a (b).ipynb"}
    fragment = as_ada.get("/understand/", fields, headers={"HX-Request": "true"}).content.decode()
    assert texts_to_copy(fragment) == expected
    assert 'hx-swap-oob="true"' in fragment
    assert texts_to_copy(as_ada.get("/", fields).content.decode()) == expected
    assert not texts_to_copy(as_ada.get("/").content.decode())
    assert not Project.objects.exists()
    project = lifecycle.launch(ada, *fields.values())
    assert texts_to_copy(as_ada.get(f"/projects/{project.name}/").content.decode()) == expected


def test_a_link_of_a_doi_knows_the_projects_whose_address_it_has_led_to(as_ada, ada, backend):
    page = "https://zenodo.org/records/3242074"
    named = {"provider": "zenodo", "repository": "10.5281/zenodo.3242073", "url": page}
    project = Project.objects.create(owner=ada, name="ada-zenodo", **named)
    visit = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for number, known in (("3242073", True), ("1", False)):
        shown = as_ada.get(f"/v2/zenodo/10.5281/zenodo.{number}", headers=visit).context
        assert (shown["starts"], project in shown["same_projects"]) == (known, known)
