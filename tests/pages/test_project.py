"""A project's card and page in each state, and what the buttons on them do."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from sessions import lifecycle
from sessions.backends import LogLines
from sessions.lifecycle.ending import fail
from sessions.models import Build, Project
from sessions.progress import journal
from sessions.states import Phase, ProjectState
from tests.stages import COMMIT, LOG, project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

HTMX = {"HX-Request": "true"}


def words(answer) -> str:
    """Return the text of the page, in one line."""
    text = re.sub(r"<noscript>.*?</noscript>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


async def whole(answer) -> str:
    return b"".join([piece async for piece in answer.streaming_content]).decode()


def offered(answer) -> set[str]:
    """Return the verbs that the page has buttons for."""
    return set(re.findall(r'formaction="/projects/[^/]+/([-\w]+)/"', answer.content.decode()))


ALWAYS = {"keep", "delete", "delete-for-good"}
VERBS_IN = {
    ProjectState.WAITING: {"cancel", *ALWAYS},
    ProjectState.BUILDING: {"cancel", *ALWAYS},
    ProjectState.SPAWNING: {"stop", *ALWAYS},
    ProjectState.READY: {"stop", *ALWAYS},
    ProjectState.STOPPING: ALWAYS,
    ProjectState.STOPPED: {"start", "start-safe", "rebuild", *ALWAYS},
    ProjectState.FAILED: {"start", "start-safe", "rebuild", *ALWAYS},
}


@pytest.mark.parametrize("state", ProjectState)
def test_each_state_is_named_with_its_possible_actions(ada, as_ada, state):
    project = project_in(state, ada)
    assert project.state == state
    for address in ("/", f"/projects/{project.name}/"):
        answer = as_ada.get(address)
        assert f'class="state {state}"' in answer.content.decode()
        assert str(state.label) in words(answer)
        assert offered(answer) == VERBS_IN[state]


def test_running_projects_come_first(ada, as_ada):
    for state in (ProjectState.READY, ProjectState.STOPPED, ProjectState.WAITING):
        project_in(state, ada, f"ada/{state}")
    page = words(as_ada.get("/"))
    assert page.index("ada/waiting") < page.index("ada/ready") < page.index("ada/stopped")


def test_card_shows_commit_resources_and_activity(ada, as_ada):
    project_in(ProjectState.READY, ada)
    answer = as_ada.get("/")
    assert f'data-copy="{COMMIT}"' in answer.content.decode()
    assert "c0ffee0 1–8 CPU · 1–16 GB just now" in words(answer)
    assert "1 of 5 projects" in words(answer)


def test_list_refreshes_together_with_the_project_count(ada, as_ada):
    project_in(ProjectState.READY, ada)
    part = as_ada.get("/projects/", headers=HTMX).content.decode()
    assert "<html" not in part
    assert 'id="project-count"' in part
    assert 'hx-swap-oob="true"' in part
    assert as_ada.get("/projects/").url == "/"


@pytest.mark.parametrize(
    ("verb", "before", "after", "goes_to"),
    [
        ("start", ProjectState.STOPPED, ProjectState.WAITING, "page"),
        ("rebuild", ProjectState.FAILED, ProjectState.WAITING, "page"),
        ("stop", ProjectState.READY, ProjectState.STOPPING, "home"),
        ("cancel", ProjectState.BUILDING, ProjectState.STOPPED, "home"),
    ],
)
def test_button_changes_the_state_and_redirects(ada, as_ada, verb, before, after, goes_to):
    project = project_in(before, ada)
    page = f"/projects/{project.name}/"
    answer = as_ada.post(f"{page}{verb}/", {"next": "/"})
    assert (answer.status_code, answer.url) == (303, page if goes_to == "page" else "/")
    assert Project.objects.get().state == after


def test_button_sent_by_htmx_refreshes_its_page_or_leaves_it(ada, as_ada):
    project = project_in(ProjectState.READY, ada)
    page = f"/projects/{project.name}/"
    on_page = {**HTMX, "HX-Current-URL": f"http://testserver{page}"}
    answer = as_ada.post(f"{page}stop/", {"next": page}, headers=on_page)
    assert answer.headers["HX-Trigger"] == '{"changed": {}}'
    assert "ada/flowers is being stopped." in words(answer)
    answer = as_ada.post(f"{page}delete/", {"next": page}, headers=on_page)
    assert answer.headers["HX-Redirect"] == "/"


def test_action_that_comes_too_late_is_explained(ada, as_ada):
    project = project_in(ProjectState.STOPPED, ada)
    answer = as_ada.post(f"/projects/{project.name}/stop/", {"next": "/"}, follow=True)
    assert "The notebook is not running, so there is nothing to stop." in words(answer)


@pytest.mark.parametrize("elsewhere", ["https://example.org/", "//example.org/", "javascript:0"])
def test_button_cannot_redirect_to_another_site(ada, as_ada, elsewhere):
    project = project_in(ProjectState.READY, ada)
    answer = as_ada.post(f"/projects/{project.name}/stop/", {"next": elsewhere})
    assert answer.url == "/"


def test_open_page_is_loaded_again_when_its_project_is_deleted(ada, as_ada):
    project = project_in(ProjectState.STOPPED, ada)
    as_ada.post(f"/projects/{project.name}/delete/")
    answer = as_ada.get(f"/projects/{project.name}/status/", headers=HTMX)
    assert answer.headers["HX-Redirect"] == f"/projects/{project.name}/"


def test_delete_dialog_says_what_stays_and_what_is_lost(ada, as_ada):
    project = project_in(ProjectState.READY, ada)
    asked = words(as_ada.get("/"))
    assert "Your files in /home/ada-nfs-pvc stay." in asked
    assert (
        "You can restore the project and its files in /home/jovyan for 7 days; then they are gone"
        in asked
    )
    answer = as_ada.post(f"/projects/{project.name}/delete/", {"next": "/"}, follow=True)
    assert "ada/flowers is deleted. You can restore it for 7 days." in words(answer)


def test_delete_dialog_says_when_nothing_can_be_restored(ada, as_ada, settings):
    settings.PORTAL_UNDO_DAYS = 0
    project = project_in(ProjectState.READY, ada)
    asked = words(as_ada.get("/"))
    assert "This project’s files in /home/jovyan are deleted and cannot be restored." in asked
    answer = as_ada.post(f"/projects/{project.name}/delete/", {"next": "/"}, follow=True)
    assert "ada/flowers is deleted for good." in words(answer)
    assert "Undo" not in words(answer)
    assert as_ada.get(f"/projects/{project.name}/").status_code == 404


def test_failure_shows_its_cause_and_the_next_steps(ada, as_ada):
    project = project_in(ProjectState.FAILED, ada)
    box = failure(as_ada, project)
    assert "The packages cannot be installed." in box
    assert '<pre class="excerpt">error: no such package: nump</pre>' in box
    assert 'data-code="build.requirements"' in box
    assert "https://github.com/ada/flowers" in box
    assert {"start", "rebuild"} <= set(re.findall(r"/([-\w]+)/\"", box))
    assert "start-safe" not in box  # there is no environment to start


def test_notebook_that_did_not_start_can_be_started_in_safe_mode(ada, as_ada):
    project = project_in(ProjectState.SPAWNING, ada)
    assert project.current
    fail(project.current, "spawn.start-script", "The start script ended.", by="watch")
    assert "/start-safe/" in failure(as_ada, project)


def failure(client: Client, project: Project) -> str:
    """Return the part of the project's page that says why it failed."""
    page = client.get(f"/projects/{project.name}/").content.decode()
    return page[page.index('role="alert"') : page.index("</section>")]


def test_pushing_is_a_step_of_the_launch_that_followed_the_build(ada, as_ada):
    project = project_in(ProjectState.BUILDING, ada)
    session = project.current
    assert session and session.build
    build = session.build
    journal.append(build, LogLines("pushing", "Pushing the image.", "2"))
    assert push_step(as_ada, project) == "current"
    journal.record(session, Phase.BUILT, "The environment is ready.", build=build)
    assert push_step(as_ada, project) == "done"

    later = lifecycle.launch(ada, "ada/flowers")
    assert later.current
    journal.record(later.current, Phase.BUILT, "The environment is ready.", build=build)
    assert push_step(as_ada, later) == "skipped"


def push_step(client: Client, project: Project) -> str:
    """Return the state of this step on the project's page."""
    steps = client.get(f"/projects/{project.name}/").context["steps"]
    return {step.key: str(step.state) for step in steps}["push"]


@pytest.mark.parametrize("view", ["", "status/"])
def test_details_say_which_files_describe_the_environment(ada, as_ada, view):
    project = project_in(ProjectState.READY, ada)
    build = project.current.build
    assert build is not None
    text = "── Files of the repository\nUsed: start\nNot used: <b>.txt\n── Installing"
    journal.append(build, LogLines("building", text, "2"))
    page = as_ada.get(f"/projects/{project.name}/{view}").content.decode()
    details = page[page.index('id="details-title"') :]
    assert "<div>Used: start</div>" in details
    assert "<div>Not used: &lt;b&gt;.txt</div>" in details


def test_page_without_javascript_shows_the_log_and_refreshes(ada, as_ada):
    project = project_in(ProjectState.BUILDING, ada)
    page = as_ada.get(f"/projects/{project.name}/").content.decode()
    without = "".join(re.findall(r"<noscript>.*?</noscript>", page, flags=re.DOTALL))
    assert LOG in without
    assert 'http-equiv="refresh"' in without
    ready = project_in(ProjectState.READY, ada, "ada/ready")
    assert "http-equiv" not in as_ada.get(f"/projects/{ready.name}/").content.decode()


def test_page_contains_the_first_and_last_cursor_of_its_timeline(ada, as_ada):
    project = project_in(ProjectState.STOPPED, ada)
    as_ada.post(f"/projects/{project.name}/start/")
    page = as_ada.get(f"/projects/{project.name}/").content.decode()
    begin, known = map(int, re.findall(r'data-(?:start|last)-cursor="(\d+)"', page))
    written = Project.objects.get().events_written
    assert begin == (written - 1) << 32
    assert known == written << 32


def test_page_shows_how_long_the_last_build_took(ada, as_ada):
    project = project_in(ProjectState.BUILDING, ada)
    now = timezone.now()
    minutes = timedelta(minutes=2, seconds=5)
    Build.objects.create(
        url=project.url, commit="b", image="b", state="built", started=now - minutes, finished=now
    )
    answer = as_ada.get(f"/projects/{project.name}/status/")
    assert "The last build took 2:05." in words(answer)
    assert "data-expected" in answer.content.decode()


def test_whole_log_can_be_downloaded(ada, as_ada):
    project = project_in(ProjectState.READY, ada)
    answer = as_ada.get(f"/projects/{project.name}/log.txt")
    assert async_to_sync(whole)(answer) == LOG + "\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    waiting = project_in(ProjectState.WAITING, ada, "ada/waiting")
    assert as_ada.get(f"/projects/{waiting.name}/log.txt").status_code == 404


@pytest.mark.parametrize("state", [s for s in ProjectState if s != ProjectState.READY])
def test_opening_a_notebook_that_is_not_ready_leads_to_its_page(ada, as_ada, state):
    project = project_in(state, ada)
    answer = as_ada.get(f"/projects/{project.name}/open/", follow=True)
    assert answer.redirect_chain == [(f"/projects/{project.name}/", 302)]
    assert "The notebook is not running." in words(answer)


def test_opening_a_notebook_keeps_the_requested_path(ada, as_ada):
    from sessions.models import Access

    project = project_in(ProjectState.READY, ada)
    address, path = f"/projects/{project.name}/open/", "/lab/tree/a.ipynb"
    begins = as_ada.get(address, {"path": path})
    assert begins["location"].endswith("/_bindery/enter?path=%2Flab%2Ftree%2Fa.ipynb")
    assert not Access.objects.exists()
    as_ada.get(address, {"path": path, "entrant": "0" * 64})
    assert Access.objects.get().user == ada


def test_user_text_is_escaped(ada, as_ada):
    nasty = "<img src=x onerror=alert(1)>"
    project = project_in(ProjectState.FAILED, ada)
    Project.objects.update(repository=nasty, ref=nasty, path=nasty)
    project.current.__class__.objects.update(message=nasty)
    for address in ("/", f"/projects/{project.name}/", f"/projects/{project.name}/status/"):
        assert "<img" not in as_ada.get(address).content.decode()


def test_log_of_an_earlier_build_says_when_that_was(ada, as_ada):
    project = project_in(ProjectState.STOPPED, ada)
    address = f"/projects/{project.name}/"
    Build.objects.update(finished=project.current.created + timedelta(minutes=1))
    assert "log of that build" not in words(as_ada.get(address))
    Build.objects.update(finished=project.current.created - timedelta(days=9))
    for part in ("", "status/"):
        shown = words(as_ada.get(address + part))
        assert re.search(r"built on \d+ \w+ \d{4}, \d\d:\d\d UTC\. This is the log", shown)


def test_times_on_hover_have_the_same_form_everywhere(ada, as_ada):
    project = project_in(ProjectState.READY, ada)
    page = as_ada.get(f"/projects/{project.name}/").content.decode()
    titles = re.findall(r'<time [^>]*title="([^"]*)" data-ago', page)
    assert titles
    assert all(re.fullmatch(r"\d+ \w+ \d{4}, \d\d:\d\d UTC", title) for title in titles)


@pytest.mark.parametrize("count", [1, 5])
def test_number_of_queries_does_not_grow_with_the_list(
    ada, as_ada, count, django_assert_num_queries
):
    for number in range(count):
        project_in(ProjectState.READY, ada, f"ada/no-{number}")
    # The browser's session, its person, their projects; limits and grants; deleted, expiring ones.
    with django_assert_num_queries(7):
        as_ada.get("/projects/", headers=HTMX)
