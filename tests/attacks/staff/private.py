"""Output of a private repository's build and notebook: for its owner, and for no staff."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attacks.acts import Act
from tests.attacks.cast import World
from tests.attacks.wire import Request

KIND = "private output"
STAFF = ("vera", "sue", "stan", "root")
ANY = frozenset({200, 302, 403, 404})
WITHOUT = ("{output_of_build}", "{output_of_notebook}")
PAGES = {
    "the project's page": "/projects/{private_project}/",
    "how the project is": "/projects/{private_project}/status/",
    "the log": "/projects/{private_project}/log.txt",
    "the project in the admin": "/admin/notebook_sessions/project/{private_project_pk}/change/",
    "the list of projects in the admin": "/admin/notebook_sessions/project/?q={private_project}",
    "the session in the admin": "/admin/notebook_sessions/session/{private_session_pk}/change/",
    "the list of sessions in the admin": "/admin/notebook_sessions/session/?q={private_project}",
    "the build in the admin": "/admin/notebook_sessions/build/{private_build_pk}/change/",
    "the list of builds in the admin": "/admin/notebook_sessions/build/",
    "the build's log in the admin": "/admin/notebook_sessions/build/{private_build_pk}/log.txt",
    "the person in the admin": "/admin/portal/user/{alice_pk}/change/",
    "the admin's first page": "/admin/",
    "the history of the person": "/admin/portal/user/{alice_pk}/history/",
}
CALLS = {
    "the project by the API": "/api/v1/projects/{private_project}/",
    "its story by the API": "/api/v1/projects/{private_project}/events/",
    "the list of a person's projects by the API": "/api/v1/projects/?owner=alice",
}
LISTS = {"project": "{private_project_pk}", "session": "{private_session_pk}",
         "build": "{private_build_pk}"}  # fmt: skip


def _looks() -> Iterator[Request]:
    for by in STAFF:
        for what, path in PAGES.items():
            yield Request(KIND, f"{by} reads it on {what}", path, by=by, answers=ANY,
                          without=WITHOUT, long=by in {"vera", "stan"})  # fmt: skip
        for what, path in CALLS.items():
            yield Request(KIND, f"{by} reads it on {what}", path, by=by, token="all", answers=ANY,
                          without=WITHOUT, long=by in {"vera", "stan"})  # fmt: skip


def _exports(by: str, model: str, pk: str) -> Act:
    def act(world: World) -> str:
        with world.browser(by) as browser:
            data = {"action": "export", "_selected_action": [world.filled(pk)]}
            page = browser.send_form(f"/admin/notebook_sessions/{model}/", data)
        words = [world.words["output_of_build"], world.words["output_of_notebook"]]
        return ", ".join(word for word in words if word in page.text)

    return Act(KIND, f"{by} reads it in the file of {model}s", act)


def _owner_reads(world: World) -> str:
    """Read both as the owner, who may."""
    with world.browser("alice") as browser:
        log = browser.get(world.filled("/projects/{private_project}/log.txt")).text
        page = browser.get(world.filled("/projects/{private_project}/")).text
    both = world.words["output_of_build"] in log and world.words["output_of_notebook"] in page
    return "both" if both else ""


ATTEMPTS = (
    *_looks(),
    *(_exports(by, model, pk) for by in ("sue", "root") for model, pk in LISTS.items()),
    Request(
        KIND,
        "somebody else reads the log",
        "/projects/{private_project}/log.txt",
        by="mallory",
        answers=frozenset({404}),
    ),
    Act(KIND, "its owner reads it", _owner_reads, control=True),
)
