"""Pages at a limit: which limit it is, what uses it up, and what can be done about it right
there.
"""

from __future__ import annotations

import pytest

from quotas.models import LimitSet
from sessions import lifecycle
from sessions.models import Project, Session
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running(ada, backend) -> Project:
    LimitSet.objects.create(running=1)
    return project_in(ProjectState.READY, ada, "ada/running")


def test_launch_at_the_limit_offers_to_stop_a_running_notebook(as_ada, running):
    answer = as_ada.post("/launch/", {"repository": "ada/flowers"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "You have 1 of 1 notebook running." in page
    assert f'name="stop" value="{running.name}"' in " ".join(page.split())
    assert "/account/?ask=running#ask" in page
    answer = as_ada.post("/launch/", {"repository": "ada/flowers", "stop": running.name})
    assert answer.status_code == 303
    assert Project.objects.get(repository__contains="flowers").state == "waiting"
    assert Project.objects.get(pk=running.pk).state == "stopping"


def test_start_at_the_limit_can_stop_a_running_notebook(ada, as_ada, running):
    LimitSet.objects.update(running=2)
    stopped = project_in(ProjectState.STOPPED, ada, "ada/stopped")
    LimitSet.objects.update(running=1)
    address = f"/projects/{stopped.name}/"
    assert "This notebook cannot start now" in as_ada.get(address).content.decode()
    answer = as_ada.post(f"{address}start/")
    assert (answer.status_code, answer["Location"]) == (303, address)
    assert Project.objects.get(pk=stopped.pk).state == "stopped"
    assert as_ada.post(f"{address}start/", {"stop": running.name})["Location"] == address
    assert Project.objects.get(pk=stopped.pk).state == "waiting"
    assert "This notebook cannot start now" not in as_ada.get(address).content.decode()


def test_launch_cannot_stop_the_notebook_of_another_person(as_bob, bob, running, ada):
    answer = as_bob.post("/launch/", {"repository": "ada/flowers", "stop": running.name})
    assert answer.status_code == 404
    assert Project.objects.get(pk=running.pk).state == "ready"


def test_running_notebook_above_a_lowered_limit_is_kept_and_marked(ada, as_ada, running):
    assert "above the current limit" not in as_ada.get("/").content.decode()
    LimitSet.objects.update(max_cpu=4)
    for address in ("/", f"/projects/{running.name}/"):
        assert "above the current limit" in as_ada.get(address).content.decode()
    assert Session.objects.get().state == "ready"
    lifecycle.stop(running, ada)
    Session.objects.update(state="stopped")
    assert "above the current limit" not in as_ada.get("/").content.decode()


def test_api_answer_to_a_refused_launch_has_limit_usage_and_projects(as_ada, running):
    answer = as_ada.post(
        "/api/v1/projects/", {"repository": "ada/flowers"}, content_type="application/json"
    )
    assert answer.status_code == 409
    body = answer.json()
    assert body["code"] == "quota.running"
    assert (body["limit"], body["in_use"], body["name"]) == (1, 1, "running")
    assert [each["name"] for each in body["projects"]] == [running.name]
