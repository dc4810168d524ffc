"""The launch form: what it accepts, what it refuses, and what happens at the limit; each by htmx
and by a plain form.
"""

from __future__ import annotations

import pytest
from django.test import Client

from sessions import lifecycle
from sessions.backends import Problem
from sessions.models import Project
from sessions.states import ProjectState
from tests.making import words_of
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

HTMX = {"HX-Request": "true"}
UNTRUE = "<b>not</b> an address"


def understand(client: Client, **fields: str) -> str:
    return client.get("/understand/", fields, headers=HTMX).content.decode()


def test_form_shows_what_was_understood_while_typing(as_ada):
    said = understand(as_ada, repository="https://github.com/marsja/bindertut/blob/main/a.ipynb")
    assert [part in said for part in ("GitHub", "marsja/bindertut", "main", "opens a.ipynb")] == [
        True
    ] * 4
    assert "v1.2" in understand(as_ada, repository="marsja/bindertut", ref="v1.2")
    assert not Project.objects.exists()


def test_invalid_address_is_reported_with_its_code_and_escaped(as_ada):
    said = understand(as_ada, repository=UNTRUE)
    assert 'data-code="launch.repository-not-understood"' in said
    assert "<b>" not in said
    assert "wrong" not in understand(as_ada, repository="  ")


def test_launch_redirects_to_the_project_page(as_ada):
    answer = as_ada.post("/launch/", {"repository": "marsja/bindertut", "ref": "main"})
    project = Project.objects.get()
    assert (answer.status_code, answer.url) == (303, f"/projects/{project.name}/")
    answer = as_ada.post("/launch/", {"repository": "marsja/bindertut"}, headers=HTMX)
    newest = Project.objects.latest("id")
    assert answer.headers["HX-Redirect"] == f"/projects/{newest.name}/"


def test_a_refused_launch_keeps_what_was_typed(as_ada):
    sent = {"repository": UNTRUE, "ref": "v1", "path": "a.ipynb"}
    for headers, is_whole in ((None, True), (HTMX, False)):
        answer = as_ada.post("/launch/", sent, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == 400
        assert ("<html" in page) is is_whole
        assert 'value="&lt;b&gt;not&lt;/b&gt; an address"' in page
        assert 'value="v1"' in page
        assert 'data-code="launch.repository-not-understood"' in page
    assert not Project.objects.exists()


def test_launch_is_refused_with_a_message_when_the_backend_is_unusable(as_ada, backend):
    backend.troubles = [Problem("local.no-sandbox", "There is no sandbox.", "")]
    answer = as_ada.post("/launch/", {"repository": "ada/flowers"}, headers=HTMX)
    assert answer.status_code == 503
    assert "There is no sandbox." in answer.content.decode()


@pytest.fixture
def five(ada) -> list[Project]:
    states = [ProjectState.READY, ProjectState.STOPPED, *[ProjectState.WAITING] * 3]
    return [project_in(state, ada, f"ada/no-{n}") for n, state in enumerate(states)]


def test_launch_at_the_limit_lists_projects_to_delete_or_stop(as_ada, five):
    answer = as_ada.post("/launch/", {"repository": "ada/sixth"}, headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert 'data-code="quota.projects"' in page
    assert 'value="ada/sixth"' in page
    for project in five:
        assert f'name="delete" value="{project.name}"' in " ".join(page.split())
    assert page.count('name="stop"') == 4
    assert "/home/ada-nfs-pvc" in page


def test_deleting_a_project_lets_the_launch_continue(as_ada, five):
    answer = as_ada.post("/launch/", {"repository": "ada/sixth", "delete": five[1].name})
    assert answer.url == f"/projects/{Project.objects.latest('id').name}/"
    assert Project.objects.get(pk=five[1].pk).removed
    assert Project.objects.existing().count() == 5


def test_stopping_a_project_does_not_free_the_project_limit(as_ada, five):
    answer = as_ada.post("/launch/", {"repository": "ada/sixth", "stop": five[0].name})
    assert answer.status_code == 409
    assert Project.objects.get(pk=five[0].pk).state == ProjectState.STOPPING


def test_link_fills_in_the_form_but_launches_nothing(as_ada, as_eve):
    link = "/?repository=marsja/bindertut&ref=main"
    page = as_ada.get(link).content.decode()
    assert 'value="marsja/bindertut"' in page
    assert 'value="main"' in page
    assert not Project.objects.exists()
    page = as_eve.get(link).content.decode()
    assert "marsja/bindertut" in page
    assert "next=/%3Frepository%3Dmarsja%252Fbindertut%26ref%3Dmain" in page


def test_a_newcomer_starts_an_example_with_one_click(as_ada):
    page = as_ada.get("/").content.decode()
    assert page.count("/examples/") == 2
    assert "0 of 5 projects" in " ".join(page.split())
    assert as_ada.post("/launch/", {"repository": "ada/flowers"}).status_code == 303
    assert "/examples/" not in as_ada.get("/").content.decode()


def test_a_launch_needs_the_csrf_token(ada):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    answer = browser.post("/launch/", {"repository": "ada/flowers"})
    assert answer.status_code == 403
    assert "This page is out of date" in answer.content.decode()
    assert not Project.objects.exists()


REACH = "Its code can use your folder and your SSH key. Launch only repositories you trust."


def test_form_says_what_a_repository_can_access(as_ada, backend):
    for address in ("/", "/?repository=owner/flowers"):
        assert words_of(as_ada, address).count(REACH) == 1


@pytest.mark.parametrize(
    ("repository", "told"),
    [
        ("owner/flowers", 1),
        ("https://git.example.org/x.git", 1),
        ("git@git.example.org:ada/diary.git", 0),  # fetched with her own key
    ],
)
def test_page_of_a_foreign_repository_says_what_it_can_access(
    ada, as_ada, as_sue, backend, repository, told
):
    project = lifecycle.launch(ada, repository)
    assert words_of(as_ada, f"/projects/{project.name}/").count(REACH) == told
    assert REACH not in words_of(as_sue, f"/projects/{project.name}/")  # whose folder it is not


def test_page_of_a_bundled_example_carries_no_access_warning(ada, as_ada, backend, settings):
    project = lifecycle.launch(ada, f"{settings.PORTAL_URL}/examples/flowers.git")
    assert REACH not in words_of(as_ada, f"/projects/{project.name}/")
