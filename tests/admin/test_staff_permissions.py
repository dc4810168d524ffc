"""Staff and other people's projects: looking needs one permission; acting needs another."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from portal.models import User
from sessions import lifecycle
from sessions.api.views import ActionView
from sessions.errors import NotAllowed, StateConflict
from sessions.models import Access, Build, Project, Session
from sessions.states import BuildState, ProjectState, SessionState
from tests.conftest import signed_in
from tests.making import say, with_token
from tests.readers import Reader, cookie_of, reading
from tests.stages import project_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

VERBS = ["start", "stop", "rebuild", "cancel", "delete"]


@pytest.fixture
def project(ada, backend) -> Project:
    return project_in(ProjectState.READY, ada)


@pytest.fixture
def plain(db) -> User:
    """Staff in no role: may enter the admin, and nothing more."""
    return User.objects.create_user("plain", is_staff=True)


def test_other_peoples_projects_need_the_view_permission(project, ada, bob, plain, vera, sue, root):
    for user in (ada, vera, sue, root):
        assert Project.objects.visible_to(user).filter(pk=project.pk).exists(), user
    for user in (bob, plain):
        assert not Project.objects.visible_to(user).exists(), user
    User.objects.filter(pk=vera.pk).update(is_staff=False)
    assert not Project.objects.visible_to(User.objects.get(pk=vera.pk)).exists()


def test_only_the_owner_and_permitted_staff_may_change_a_project(
    project, ada, bob, plain, vera, sue, root
):
    may = {user.username: project.may_be_changed_by(user) for user in (ada, bob, plain, vera, sue)}
    assert may == {"ada": True, "bob": False, "plain": False, "vera": False, "sue": True}
    assert project.may_be_changed_by(root)


@pytest.mark.parametrize("verb", VERBS)
def test_a_viewer_may_not_act_on_the_page(project, vera, verb):
    answer = signed_in(vera).post(f"/projects/{project.name}/{verb}/")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "This project belongs to ada. You can view it, but not change it." in page
    assert "project.look-only" in page
    assert Project.objects.existing().get(pk=project.pk).state == ProjectState.READY


JSON = "application/json"


@pytest.mark.parametrize("verb", [*ActionView.actions, "delete"])
def test_a_viewer_may_read_but_not_act_through_the_api(project, vera, verb):
    api, address = with_token(vera), f"/api/v1/projects/{project.name}/"
    assert api.get(address).status_code == 200
    before = project.last_activity
    answer = api.delete(address) if verb == "delete" else api.post(f"{address}{verb}/", {}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "project.look-only")
    after = Project.objects.existing().get(pk=project.pk)
    assert (after.state, after.last_activity) == (ProjectState.READY, before)


def test_a_viewer_cannot_delete_a_project_to_make_room(project, vera):
    wish = {"repository": "vera/hers", "delete": project.name}
    assert signed_in(vera).post("/launch/", wish).status_code == 403
    assert Project.objects.existing().filter(pk=project.pk).exists()


@pytest.mark.parametrize("state", [ProjectState.READY, ProjectState.FAILED, ProjectState.STOPPED])
def test_a_viewer_sees_no_buttons(ada, backend, vera, sue, state):
    project = project_in(state, ada)
    address = f"/projects/{project.name}/"
    assert "formaction" not in signed_in(vera).get(address).content.decode()
    assert "formaction" in signed_in(sue).get(address).content.decode()


def test_support_may_stop_a_notebook_but_not_open_it(project, sue):
    browser = signed_in(sue)
    assert browser.post(f"/projects/{project.name}/stop/").status_code == 303
    assert Project.objects.get(pk=project.pk).state == ProjectState.STOPPING
    assert project.current.transitions.last().by == "sue"
    answer = browser.get(f"/projects/{project.name}/open/", follow=True)
    assert answer.redirect_chain == [(f"/projects/{project.name}/", 302)]


@pytest.mark.parametrize("name", ["vera", "sue", "stan", "root"])
def test_no_staff_member_can_open_another_persons_notebook(project, name, request):
    """Nor do they get its server's token to see."""
    assert project.current
    browser = signed_in(request.getfixturevalue(name))
    for path in ("", "?path=/lab", "?path=/api/contents"):
        answer = browser.get(f"/projects/{project.name}/open/{path}")
        assert (answer.status_code, answer["Location"]) == (302, f"/projects/{project.name}/")
    assert not Access.objects.exists()
    pages = (f"/projects/{project.name}/", f"/api/v1/projects/{project.name}/",
             f"/admin/notebook_sessions/session/{project.current.pk}/change/")  # fmt: skip
    for page in pages:
        text = browser.get(page).content.decode()
        assert project.current.server_token not in text
        assert project.current.sealed_token not in text
        assert f"/projects/{project.name}/open/" not in text


def test_support_may_delete_a_project_through_the_api(project, sue):
    answer = with_token(sue).delete(f"/api/v1/projects/{project.name}/")
    assert answer.status_code == 202
    assert not Project.objects.existing().exists()


def test_staff_without_a_role_get_404(project, plain):
    assert signed_in(plain).get(f"/projects/{project.name}/").status_code == 404
    assert with_token(plain).get(f"/api/v1/projects/{project.name}/").status_code == 404


def test_every_command_checks_the_permission_itself(project, vera, bob):
    wishes = (lifecycle.start, lifecycle.stop, lifecycle.rebuild, lifecycle.cancel, lifecycle.keep)
    for user in (vera, bob):
        for wish in (*wishes, lifecycle.delete):
            with pytest.raises(NotAllowed):
                wish(project, user)


# --- Cancelling a build for everybody ---
def waiting_together(*people: User) -> Build:
    projects = [project_in(ProjectState.BUILDING, people[0])]
    build = Build.objects.get(sessions__project=projects[0])
    for user in people[1:]:
        project = project_in(ProjectState.WAITING, user)
        Session.objects.filter(project=project).update(build=build)
    return build


def test_cancelling_a_build_fails_every_waiting_session(ada, bob, sue, backend, worker):
    build = waiting_together(ada, bob)
    lifecycle.cancel_build(build, sue)
    build.refresh_from_db()
    assert (build.state, build.code) == (BuildState.CANCELLED, "build.cancelled")
    assert build.transitions.get().by == "sue"
    for session in Session.objects.all():
        assert (session.state, session.code) == (SessionState.FAILED, "build.cancelled")
        assert session.message.startswith("The staff cancelled this build.")
    with pytest.raises(StateConflict):
        lifecycle.cancel_build(build, sue)
    assert "cancel_build" in worker.run()


def test_a_cancelled_build_is_stopped_in_the_back_end(ada, sue, backend, worker):
    build = waiting_together(ada)
    lifecycle.launch(ada, "ada/another")
    worker.lose()
    from sessions.backends import BuildSpec

    spec = BuildSpec(build.pk, build.url, build.commit, "", build.image, no_cache=False)
    backend.ensure_build(spec)
    lifecycle.cancel_build(build, sue)
    worker.run()
    assert backend.build_reports[build.pk].code == "cancelled"


def test_only_permitted_staff_may_cancel_a_build(ada, bob, vera, plain, backend):
    build = waiting_together(ada)
    for user in (ada, bob, vera, plain):
        with pytest.raises(NotAllowed):
            lifecycle.cancel_build(build, user)
    assert Build.objects.get().state == BuildState.BUILDING


# --- A build's log, live ---
def socket(pk: int, user: User | None, after: str = "") -> Reader:
    return reading(f"/ws/builds/{pk}/?after={after}", *([cookie_of(user)] if user else []))


async def test_staff_follow_a_builds_log_from_its_first_line(ada, vera, backend):
    build = await sync_to_async(waiting_together)(ada)
    reader = await sync_to_async(socket)(build.pk, vera)
    assert (await reader.connect())[0]
    first = await reader.receive_json_from()
    assert first["message"].startswith("Collecting numpy")
    for text in ("one", "two"):
        await sync_to_async(say)(build, text)
        assert (await reader.receive_json_from())["message"] == text
    await reader.disconnect()


async def test_a_reconnecting_reader_resumes_at_its_cursor(ada, vera, backend):
    build = await sync_to_async(waiting_together)(ada)
    await sync_to_async(say)(build, "one")
    for after, expected in (("1", "one"), ("soon", "Collecting")):
        reader = await sync_to_async(socket)(build.pk, vera, after)
        assert (await reader.connect())[0]
        assert (await reader.receive_json_from())["message"].startswith(expected)
        await reader.disconnect()


async def test_only_permitted_staff_may_follow_a_build_log(ada, bob, plain, vera, backend):
    build = await sync_to_async(waiting_together)(ada)
    for user in (ada, bob, plain, None):
        reader = await sync_to_async(socket)(build.pk, user)
        assert not (await reader.connect())[0]
    reader = await sync_to_async(socket)(build.pk + 99, vera)
    assert not (await reader.connect())[0]


async def test_permissions_are_read_again_for_an_open_stream(ada, vera, backend):
    """The socket asks for the person anew: what it was told at the beginning counts no more."""
    from sessions.progress.consumers import find_project, may_see_build

    project = await sync_to_async(project_in)(ProjectState.BUILDING, ada)
    build_id = (await Build.objects.aget(sessions__project=project)).pk
    assert await find_project(vera, project.name) == project.pk
    assert await may_see_build(vera, build_id)
    await sync_to_async(vera.groups.clear)()
    assert await find_project(vera, project.name) is None
    assert not await may_see_build(vera, build_id)
