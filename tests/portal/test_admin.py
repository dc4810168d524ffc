"""The admin: staff look at everything and move nothing; everybody else sees nothing of it."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import User
from sessions.models import Project
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = pytest.mark.django_db

MODELS = ["project", "session", "build"]


@pytest.fixture
def project(ada, backend) -> Project:
    return project_in(ProjectState.FAILED, ada)


@pytest.fixture
def as_root(stan) -> Client:
    User.objects.filter(pk=stan.pk).update(is_superuser=True)
    client = Client()
    client.force_login(stan)
    return client


def rows(project: Project) -> dict[str, int]:
    return {
        "project": project.pk,
        "session": project.current.pk,
        "build": project.current.build.pk,
    }


@pytest.mark.parametrize("model", MODELS)
def test_staff_list_find_and_look(as_root, project, model):
    base = f"/admin/notebook_sessions/{model}/"
    assert as_root.get(base).status_code == 200
    assert as_root.get(base, {"q": "flowers"}).status_code == 200
    page = as_root.get(f"{base}{rows(project)[model]}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()


def test_a_build_shows_the_end_of_its_log_as_text(as_root, project):
    page = as_root.get(f"/admin/notebook_sessions/build/{rows(project)['build']}/change/")
    assert "error: no such package: nump" in page.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_added_changed_or_deleted(as_root, project, model):
    base = f"/admin/notebook_sessions/{model}/"
    pk = rows(project)[model]
    assert as_root.get(f"{base}add/").status_code == 403
    assert as_root.post(f"{base}{pk}/change/", {"state": "ready"}).status_code == 403
    assert as_root.post(f"{base}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert Project.objects.get(pk=project.pk).state == ProjectState.FAILED


def test_people_are_added_and_changed(as_root, ada):
    assert as_root.get("/admin/portal/user/").status_code == 200
    page = as_root.get(f"/admin/portal/user/{ada.pk}/change/").content.decode()
    assert "Identity provider" in page


@pytest.mark.parametrize("path", ["", "portal/user/", "notebook_sessions/project/"])
def test_others_see_nothing_of_it(as_ada, as_eve, path):
    for client in (as_ada, as_eve):
        assert client.get(f"/admin/{path}").url.startswith("/admin/login/")


@pytest.mark.parametrize("model", ["schedule", "ormq", "success", "failure"])
def test_nobody_writes_into_the_queue(as_root, model):
    assert as_root.get(f"/admin/django_q/{model}/").status_code == 404
    assert as_root.get(f"/admin/django_q/{model}/add/").status_code == 404
