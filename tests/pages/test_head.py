"""HEAD of any address answers like GET, without a body."""

from __future__ import annotations

import pytest

from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

ADDRESSES = [
    "/",
    "/sign-in/",
    "/account/",
    "/account/tokens/",
    "/account/ask/",
    "/account/download/",
    "/going/",
    "/launch/",
    "/projects/",
    "/projects/{name}/",
    "/projects/{name}/status/",
    "/projects/{name}/log.txt",
    "/projects/{name}/open/",
    "/projects/nothing/",
    "/nothing/",
    "/health",
    "/metrics",
    "/admin/",
    "/admin/notebook_sessions/project/",
    "/api/v1/",
    "/api/v1/me/",
    "/api/v1/projects/",
    "/api/v1/projects/{name}/",
    "/api/v1/projects/nothing/",
    "/api/v1/schema/",
    "/api/v1/docs/",
    "/v2/gh/ada/flowers/HEAD",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("who", ["as_ada", "as_stan", "as_eve"])
def test_head_has_the_status_and_the_type_of_get(request, ada, who, address):
    client = request.getfixturevalue(who)
    path = address.format(name=project_in(ProjectState.READY, ada).name)
    got, head = client.get(path), client.head(path)
    assert head.status_code == got.status_code
    assert head.headers.get("Content-Type") == got.headers.get("Content-Type")
    assert head.streaming or not head.content


@pytest.mark.parametrize(
    ("who", "address"),
    [
        ("as_eve", "/sign-out/"),
        ("as_ada", "/projects/{name}/stop/"),
        ("as_ada", "/account/sign-out-everywhere/"),
        ("as_stan", "/admin/logout/"),
    ],
)
def test_an_address_for_forms_is_explained_to_a_browser_that_opens_it(request, ada, who, address):
    client = request.getfixturevalue(who)
    answer = client.get(address.format(name=project_in(ProjectState.READY, ada).name))
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert "so nothing was changed" in answer.content.decode()
