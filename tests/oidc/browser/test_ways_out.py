"""Signing out ends the session here and at the provider; a provider's refusal ends all that is
open, within seconds.
"""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.githttp import GitServer
from tests.marks import in_long_tests
from tests.oidc.browser.conftest import Site, Visit, answer, choose, door, enter
from tests.stack import PASSWORD, Api, eventually

MEMBER = {"groups": ["members"]}
SOON = 60.0
"""Seconds: some time after the provider is asked again, on a busy machine."""


def open_socket(api: Api, host: str, path: str) -> ClientConnection:
    return connect(
        f"ws://{host}:{api.stack.port}{path}",
        sock=socket.create_connection(("127.0.0.1", api.stack.port)),
        additional_headers={"Authorization": f"Bearer {api.token}"},
        open_timeout=30,
    )


def read_to_its_end(socket_: ClientConnection) -> None:
    """Return when the other side has closed the socket."""
    for _message in iter(lambda: _received(socket_), None):
        pass


def _received(socket_: ClientConnection) -> str | bytes | None:
    try:
        return socket_.recv(timeout=SOON)
    except ConnectionClosed:
        return None


def notebook(api: Api, name: str) -> int:
    address = f"http://127.0.0.1:{api.stack.port}/api/status"
    headers = {"Authorization": f"Bearer {api.token}", "Host": f"{name}.localhost:{api.stack.port}"}
    return httpx.get(address, headers=headers, timeout=30).status_code


@pytest.fixture(scope="module")
def work(git_server: GitServer) -> str:
    """A repository that is built once, for all tests."""
    return git_server.repository("people/work", {"index.ipynb": "{}"})


@pytest.mark.parametrize("how", ["no member any more", *in_long_tests("disabled")])
def test_refusal_by_the_provider_ends_all_access(
    how: str, site: Site, visit: Visit, work: str
) -> None:
    who = "curie" if how == "disabled" else "meitner"
    site.campus.put(who, preferred_username=who, **MEMBER)
    page = visit()
    enter(page, site, who)
    with site.stack.api(who) as api, ExitStack() as open_:
        name = api.launch(work)
        api.until(name, "ready")
        page.goto(f"/projects/{name}/open/")
        page.wait_for_url(re.compile(rf"{name}\.localhost"))
        assert notebook(api, name) == 200
        story = open_.enter_context(open_socket(api, "localhost", f"/ws/projects/{name}/?after=0"))
        host = f"{name}.localhost"
        events = open_.enter_context(open_socket(api, host, "/api/events/subscribe"))

        refused: dict[str, object] = {"disabled": True} if how == "disabled" else {"groups": []}
        site.campus.put(who, **refused)
        read_to_its_end(story)
        read_to_its_end(events)
        eventually(lambda: api.http.get("me/").status_code == 401, within=SOON, what="the token")
        eventually(lambda: notebook(api, name) in {401, 403}, within=SOON, what="the gateway")
        page.goto("/account/")
        assert "/sign-in/" in page.url
        page.goto(f"http://{name}.localhost:{site.stack.port}/api/status")
        expect(page.locator("body")).not_to_contain_text('"started"')
    assert site.ask(f"SignIn.objects.filter(user__username='{who}').count()") == "0"


def test_unavailable_provider_ends_nothing(site: Site, visit: Visit) -> None:
    site.campus.put("bell", preferred_username="bell", **MEMBER)
    page = visit()
    enter(page, site, "bell")
    site.campus.away = True
    site.campus.write()
    asked = "SignIn.objects.get(user__username='bell').due"
    before = site.ask(asked)
    try:
        eventually(lambda: site.ask(asked) != before, within=SOON, what="another question")
        page.goto("/account/")
        expect(page.locator("main")).to_contain_text("bell")
        other = visit()
        other.goto("/sign-in/")
        door(other, "Campus").click()
        expect(other.locator("body")).to_contain_text(re.compile("away|oidc"))
    finally:
        site.campus.away = False
        site.campus.write()


def test_signing_out_also_ends_the_session_at_the_provider(site: Site, visit: Visit) -> None:
    site.campus.put("hypatia", preferred_username="hypatia", **MEMBER)
    page = visit()
    enter(page, site, "hypatia")
    sign_out(page)
    page.get_by_role("button", name=re.compile("sign me out", re.IGNORECASE)).click()
    page.wait_for_url(f"{site.stack.url}/**")
    page.goto("/account/")
    assert "/sign-in/" in page.url
    choose(page)  # and the provider asks who it is
    assert site.ask("SignIn.objects.filter(user__username='hypatia').count()") == "0"


def sign_out(page: Page) -> None:
    """Sign out of the portal, as far as the provider's question."""
    page.goto("/")
    menu = page.locator("header details summary")
    if menu.count():
        menu.first.click()
    page.get_by_role("button", name="Sign out", exact=True).click()


def test_provider_session_signs_a_person_in_again_without_a_prompt(
    site: Site, visit: Visit
) -> None:
    site.campus.put("banu", preferred_username="banu", **MEMBER)
    first, page = visit(), visit()
    enter(first, site, "banu")
    cookies = [each for each in first.context.cookies() if each["name"].startswith("idp-")]
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.goto("/sign-in/?next=/account/")
    door(page, "Campus").click()
    expect(page).to_have_url(f"{site.stack.url}/account/")


def test_declining_at_the_provider_is_explained(site: Site, visit: Visit) -> None:
    page = visit()
    choose(page)
    page.get_by_role("button", name="Refuse").click()
    expect(page.locator("main")).to_contain_text("oidc.declined")
    page.get_by_role("button", name="Sign in again").click()
    expect(door(page, "Campus")).to_be_visible()


def test_passwords_are_refused_where_providers_are_configured(site: Site, visit: Visit) -> None:
    page = visit()
    page.goto("/sign-in/")
    expect(door(page, "Campus")).to_be_visible()
    expect(door(page, "Partner University")).to_be_visible()
    expect(page.get_by_label("Password")).to_have_count(0)
    for path in ("/sign-in/", "/admin/login/"):
        with httpx.Client(base_url=site.stack.url) as client:
            form = {"username": "admin", "password": PASSWORD}
            client.post(path, data=form)
            assert client.get("/account/").status_code == 302
    basic = httpx.get(f"{site.stack.url}/api/v1/me/", auth=("admin", PASSWORD))
    assert basic.status_code == 401


def test_account_disabled_at_the_provider_is_refused_there(site: Site, visit: Visit) -> None:
    site.campus.put("gone", preferred_username="gone", disabled=True, **MEMBER)
    page = visit()
    choose(page)
    answer(page, "gone")
    expect(page.get_by_role("alert")).to_contain_text("nobody")


def test_sign_out_at_the_provider_ends_pages_sockets_and_notebooks(
    site: Site, visit: Visit, work: str
) -> None:
    """By the back channel: long before the provider would be asked again."""
    site.campus.put("noether2", preferred_username="noether2", **MEMBER)
    page = visit()
    enter(page, site, "noether2")
    with site.stack.api("noether2") as api:
        name = api.launch(work)
        api.until(name, "ready")
        page.goto(f"/projects/{name}/open/")
        page.wait_for_url(re.compile(rf"{name}\.localhost"))
        notebook_page = page.context.new_page()
        notebook_page.goto(f"http://{name}.localhost:{site.stack.port}/api/status")
        expect(notebook_page.locator("body")).to_contain_text('"started"')

        there = page.context.new_page()
        there.goto(f"{site.campus.issuer}/session/end")
        there.get_by_role("button", name=re.compile("sign me out", re.IGNORECASE)).click()
        expect(there.locator("body")).to_contain_text(re.compile("sign-out success", re.IGNORECASE))
        assert site.ask("SignIn.objects.filter(user__username='noether2').count()") == "0"

        def is_closed() -> bool:
            notebook_page.goto(f"http://{name}.localhost:{site.stack.port}/api/status")
            return '"started"' not in notebook_page.locator("body").inner_text()

        eventually(is_closed, within=10, what="the end of the notebook's cookie")
        page.goto("/account/")
        assert "/sign-in/" in page.url
        assert api.http.get("me/").status_code == 200  # a token is no browser
