"""Access to every page, for each of the cast: a page that is not yours looks as if it did not
exist.
"""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from portal.pages.actions import ACTIONS
from sessions.models import Project
from sessions.models.preview import source_of
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = pytest.mark.django_db

OWN_PAGES = ["/", "/account/"]
PARTS = ["", "status/", "log.txt", "preview/", "open/"]


@pytest.fixture
def project(ada, backend) -> Project:
    return project_in(ProjectState.READY, ada, "ada/her-secret")


def preview_of(project: Project, **columns: str) -> None:
    """Store a preview of what the project opens: HTML as it must never be."""
    preview = source_of(project)
    shown = {"name": "README.md", "html": "<script>run()</script>", "made": timezone.now()}
    for name, value in (shown | columns).items():
        setattr(preview, name, value)
    preview.save()


def without_tokens(answer) -> str:
    """Return the page without the CSRF tokens, which differ each time."""
    return re.sub(r"[A-Za-z0-9]{64}", "", answer.content.decode())


def test_signed_out_home_page_has_one_button_and_no_project(as_eve, project):
    page = as_eve.get("/").content.decode()
    assert page.count('role="button"') == 1
    assert "/sign-in/" in page
    assert "her-secret" not in page


@pytest.mark.parametrize("path", ["/account/", "/launch/", "/understand/?repository=a/b"])
def test_other_pages_send_eve_to_sign_in_and_back(as_eve, path):
    answer = as_eve.get(path)
    assert answer.status_code == 302
    assert answer.url.startswith("/sign-in/?next=")


@pytest.mark.parametrize("part", PARTS)
def test_eve_is_asked_to_sign_in_whether_a_project_exists_or_not(as_eve, project, part):
    for name in (project.name, "no-such-project"):
        answer = as_eve.get(f"/projects/{name}/{part}")
        assert answer.url == f"/sign-in/?next=/projects/{name}/{part}"


def test_htmx_request_redirects_the_whole_page_to_sign_in(as_eve, project):
    answer = as_eve.get(f"/projects/{project.name}/status/", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/sign-in/"


@pytest.mark.parametrize("path", OWN_PAGES)
def test_personal_pages_show_nothing_of_other_people(as_ada, as_bob, as_stan, path, project):
    for client in (as_ada, as_bob, as_stan):
        assert client.get(path).status_code == 200
    for client in (as_bob, as_stan):
        assert "her-secret" not in client.get(path).content.decode()


@pytest.mark.parametrize("part", ["", "status/", "log.txt", "preview/"])
def test_ada_and_staff_see_her_project_and_bob_gets_404(as_ada, as_bob, as_stan, project, part):
    preview_of(project)
    address = f"/projects/{project.name}/{part}"
    assert as_ada.get(address).status_code == 200
    assert as_stan.get(address).status_code == 200
    theirs, nobodys = as_bob.get(address), as_bob.get(f"/projects/no-such-project/{part}")
    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert without_tokens(theirs) == without_tokens(nobodys)


def test_a_private_repositorys_preview_is_for_its_owner_alone(as_ada, as_stan, project):
    Project.objects.filter(pk=project.pk).update(url="ssh://git@example.org/ada/her-secret")
    preview_of(Project.objects.get(pk=project.pk))
    for part in ("", "status/"):
        assert "preview/?of=" in as_ada.get(f"/projects/{project.name}/{part}").content.decode()
        assert (
            "preview/?of=" not in as_stan.get(f"/projects/{project.name}/{part}").content.decode()
        )
    assert as_ada.get(f"/projects/{project.name}/preview/").status_code == 200
    assert as_stan.get(f"/projects/{project.name}/preview/").status_code == 404


def test_a_preview_can_do_nothing_whatever_it_is(as_ada, project):
    preview_of(project)
    answer = as_ada.get(f"/projects/{project.name}/preview/")
    assert "<script>run()</script>" in answer.content.decode()
    assert answer["Content-Security-Policy"] == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; sandbox"
    )
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert 'sandbox=""' in as_ada.get(f"/projects/{project.name}/").content.decode()


def test_the_page_says_why_there_is_no_preview(as_ada, project):
    preview_of(project, html="", code="preview.limits")
    page = as_ada.get(f"/projects/{project.name}/").content.decode()
    assert "takes too much time or memory" in page
    assert "<iframe" not in page
    assert as_ada.get(f"/projects/{project.name}/preview/").status_code == 404


@pytest.mark.parametrize("verb", ACTIONS)
def test_bob_and_eve_cannot_act_on_her_project(as_bob, as_eve, project, verb):
    address = f"/projects/{project.name}/{verb}/"
    assert as_bob.post(address).status_code == 404
    assert as_eve.post(address).status_code == 302
    assert Project.objects.get(pk=project.pk).state == ProjectState.READY


@pytest.mark.parametrize("verb", ACTIONS)
def test_actions_refuse_get_requests(as_ada, project, verb):
    assert as_ada.get(f"/projects/{project.name}/{verb}/").status_code == 405


def test_bob_cannot_delete_her_project_to_make_room(as_bob, project):
    answer = as_bob.post("/launch/", {"repository": "bob/his", "delete": project.name})
    assert answer.status_code == 404
    assert not Project.objects.get(pk=project.pk).removed


def test_only_the_owner_gets_a_ticket(as_ada, as_bob, as_stan, project):
    address = f"/projects/{project.name}/open/"
    assert as_ada.get(address).url.startswith(project.notebook_url)
    assert as_bob.get(address).status_code == 404
    answer = as_stan.get(address, follow=True)
    assert answer.redirect_chain == [(f"/projects/{project.name}/", 302)]
    assert "Only the owner can open this notebook." in answer.content.decode()


def test_staff_see_the_owner_but_no_link_to_the_notebook(as_stan, project):
    page = as_stan.get(f"/projects/{project.name}/").content.decode()
    assert "belongs to ada" in page
    assert f"/projects/{project.name}/open/" not in page.partition('id="log"')[0]


def test_only_staff_see_problems_and_the_admin_link(as_ada, as_stan, as_eve, backend):
    from sessions.backends import Problem

    backend.troubles = [Problem("local.no-sandbox", "There is no sandbox.", "Install one.")]
    for client in (as_ada, as_eve):
        page = client.get("/").content.decode()
        assert "no sandbox" not in page
        assert "/admin/" not in page
    page = as_stan.get("/account/").content.decode()
    assert "There is no sandbox." in page
    assert 'role="alert"' in page
    assert "/admin/" in page
