"""Signing in through a provider, from the address of a notebook."""

from __future__ import annotations

from tests.githttp import GitServer
from tests.oidc.browser.conftest import Site, Visit, answer, door, enter


def test_signing_in_from_a_notebooks_address_leads_to_the_file(
    site: Site, visit: Visit, git_server: GitServer
) -> None:
    site.campus.put("goeppert", preferred_username="goeppert", groups=["members"])
    enter(visit(), site, "goeppert")
    with site.stack.api("goeppert") as api:
        name = api.launch(git_server.repository("people/way", {"a.ipynb": "{}"}))
        url = api.until(name, "ready")["url"]
        page = visit()
        page.goto(f"{url}lab/tree/a.ipynb")
        page.wait_for_url("**/sign-in/**")
        door(page, "Campus").click()
        answer(page, "goeppert")
        page.wait_for_url(f"{url}lab/tree/a.ipynb")
