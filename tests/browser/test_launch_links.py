"""A launch link in a browser: through the sign-in to the button, and at once the second time."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import Browser, expect

from tests.browser.conftest import PATIENCE
from tests.githttp import GitServer
from tests.stack import PASSWORD, Api, Stack


def count(ada: Api) -> int:
    return len(ada.http.get("projects/").json())


def test_a_link_is_launched_by_its_button_and_the_next_time_by_itself(
    chromium: Browser, stack: Stack, git: GitServer, ada: Api
) -> None:
    repository = git.repository("ada/linked", {"a b.ipynb": "{}"})
    # No such branch: the project's page does not go on to a notebook.
    place = "none?urlpath=lab%2Ftree%2Fa%2520b.ipynb"
    link = f"{stack.url}/v2/git/{quote(repository, safe='')}/{place}"
    with chromium.new_context() as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(link)
        expect(page.locator(".repository-summary")).to_contain_text("opens a b.ipynb")
        page.get_by_role("button", name="Sign in to launch it").click()
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(link)
        assert count(ada) == 0
        page.get_by_role("button", name="Launch", exact=True).click()
        page.wait_for_url("**/projects/*/")
        expect(page.locator("#project-details")).to_contain_text("a b.ipynb")
        assert count(ada) == 1

        page.goto(link)  # launched before
        page.wait_for_url("**/projects/*/")
        assert count(ada) == 2
        page.go_back()  # the link's page is not in the way
        page.wait_for_url("**/projects/*/")

        page.route("**/launch-link*.js", lambda route: route.abort())
        page.goto(link)
        page.unroute_all()
        with page.expect_response("**/launch-link*.js"):
            page.reload()
        page.wait_for_load_state("networkidle")
        expect(page.locator(".same-projects li")).to_have_count(2)
        assert count(ada) == 2
