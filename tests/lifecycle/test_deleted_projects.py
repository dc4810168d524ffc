"""A deleted project's folder stays until its notebook has ended, whichever code comes to remove
it.
"""

from __future__ import annotations

import pytest
from django_q.models import OrmQ

from sessions import lifecycle
from sessions.lifecycle import observations, orphans, steps
from sessions.models import Project, Removal, Session
from sessions.states import ProjectState
from tests.scripted import ScriptedBackend
from tests.stages import project_in

pytestmark = pytest.mark.django_db

HAVING_ONE = [ProjectState.SPAWNING, ProjectState.READY, ProjectState.STOPPING]


@pytest.fixture(params=HAVING_ONE)
def deleted(request, ada, backend: ScriptedBackend) -> Project:
    """A project that was deleted while it had a notebook, which has not ended yet."""
    project = project_in(request.param, ada)
    backend.kept_projects = {project.name}
    lifecycle.delete(project, ada, for_good=True)
    return Project.objects.select_related("current").get(pk=project.pk)


def queued() -> set[tuple[str, int]]:
    tasks = [row.task for row in OrmQ.objects.all()]
    return {(task["func"].rpartition(".")[2], task["args"][0]) for task in tasks}


def test_the_removal_task_keeps_the_folder_while_the_notebook_runs(deleted, backend):
    steps.remove_project(deleted.pk)
    assert backend.projects() == [deleted.name]


def test_the_orphan_search_keeps_the_folder_while_the_notebook_runs(deleted, backend):
    assert list(orphans.droppable([deleted.name])) == []
    orphans.drop_project(deleted.name)
    assert backend.projects() == [deleted.name]


@pytest.mark.parametrize("remove", [steps.remove_project, orphans.drop_project])
def test_the_folder_is_removed_when_the_notebook_has_ended(
    deleted, backend, remove, django_capture_on_commit_callbacks
):
    OrmQ.objects.all().delete()
    with django_capture_on_commit_callbacks(execute=True):
        observations.handle_server_gone(Session.objects.get(), "", "")
    assert ("remove_project", deleted.pk) in queued()
    assert list(orphans.droppable([deleted.name])) == [deleted.name]
    for _time in range(2):
        remove(deleted.pk if remove is steps.remove_project else deleted.name)
    assert backend.projects() == []
    assert not Removal.objects.exists()  # it is no leftover


def test_the_end_of_a_notebook_does_not_remove_a_kept_projects_folder(
    ada, backend, django_capture_on_commit_callbacks
):
    project_in(ProjectState.STOPPING, ada)
    OrmQ.objects.all().delete()
    with django_capture_on_commit_callbacks(execute=True):
        observations.handle_server_gone(Session.objects.get(), "", "")
    assert queued() == set()


@pytest.mark.parametrize("again", [lifecycle.stop, lifecycle.delete])
def test_stopping_a_stopping_notebook_again_changes_nothing(ada, backend, again):
    project = project_in(ProjectState.STOPPING, ada)
    again(project, ada)
    session = Session.objects.get()
    assert (session.state, session.ended) == ("stopping", None)
    assert session.transitions.count() == 3  # and nothing was written down


@pytest.mark.parametrize("state", [*HAVING_ONE, ProjectState.STOPPED, ProjectState.FAILED])
def test_the_folder_of_a_project_that_is_not_deleted_stays(ada, backend, state):
    project = project_in(state, ada)
    backend.kept_projects = {project.name}
    steps.remove_project(project.pk)
    orphans.drop_project(project.name)
    assert list(orphans.droppable([project.name])) == []
    assert backend.projects() == [project.name]
