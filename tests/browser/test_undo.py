"""Undo a deletion: by the message right after it, from the list, by the keyboard; at the limit the
page says what is in the way. Everything in it can be read and reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.browser.test_look import CONTRAST, OVERFLOW, SMALL
from tests.githttp import GitServer
from tests.stack import Api, Stack

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture(autouse=True)
def only_ours(bob: Api) -> None:
    """Delete for good the projects that other tests have left of bob's."""
    for which in ({}, {"deleted": "true"}):
        for project in bob.http.get("projects/", params=which).json():
            bob.delete(project["name"])


def test_a_deleted_project_can_be_restored_or_deleted_for_good(
    sign_in: SignIn, git: GitServer, bob: Api
) -> None:
    name = bob.launch(git.repository("bob/regretted", {"index.ipynb": "{}"}))
    page = sign_in("bob")
    card, listed = page.locator(f"#project-{name}"), page.locator(f"#deleted-{name}")

    card.locator(".menu summary").click()
    card.get_by_role("button", name="Delete…").click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("restore the project and its files in /home/jovyan for 7 days")
    asked.get_by_role("button", name="Delete", exact=True).click()
    expect(card).to_be_hidden()
    message = page.locator("#messages")
    expect(message).to_contain_text("regretted.git is deleted. You can restore it for 7 days.")
    message.get_by_role("button", name="Undo").click()
    expect(message).to_contain_text("is restored, with all its files")
    expect(card).to_be_visible()

    bob.until(name, "stopped")
    bob.delete(name, for_good=False)
    expect(card).to_be_hidden()
    summary = page.get_by_text("You can restore a deleted project")
    summary.focus()
    page.keyboard.press("Enter")
    expect(listed).to_contain_text("can be restored until")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(listed.get_by_role("button", name="Restore")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card).to_be_visible()

    bob.delete(name, for_good=False)
    page.goto(f"/projects/{name}/")
    page.get_by_role("button", name="for good now…").click()
    expect(page.get_by_role("button", name="Keep it for now")).to_be_focused()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/")
    expect(page.locator("#messages")).to_contain_text("is deleted for good")
    assert bob.http.get("projects/", params={"deleted": "true"}).json() == []


@pytest.fixture
def deleted(git: GitServer, bob: Api, stack: Stack) -> Iterator[list[str]]:
    """Two deleted projects, while bob has as many projects as he may have."""
    url = git.repository("bob/a-rather-long-name-for-a-repository", {"index.ipynb": "{}"})
    with stack.api() as staff:
        limits = partial(staff.http.patch, "users/bob/limits/")
        assert limits(json={"projects": 1}).status_code == 200
        names = [bob.launch(url)]
        bob.delete(names[0], for_good=False)
        names.append(bob.launch(url))
        bob.delete(names[1], for_good=False)
        bob.launch(url)
        yield names
        limits(json={"projects": None})
    for project in bob.http.get("projects/?deleted=true").json():
        bob.delete(project["name"])


def test_undo_is_accessible_and_works_at_the_limit(
    sign_in: SignIn, bob: Api, deleted: list[str]
) -> None:
    page = sign_in("bob")
    found: dict[Any, Any] = {}
    for scheme, address in product(SCHEMES, ("/", "/going/", f"/projects/{deleted[0]}/")):
        page.emulate_media(color_scheme=scheme)
        for width in (360, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(address)
            _unfold(page)
            if page.evaluate(OVERFLOW) > 0:
                found[address, width, "overflow"] = page.evaluate(OVERFLOW)
        if poor := page.evaluate(CONTRAST):
            found[scheme, address, "contrast"] = poor
        if small := page.evaluate(SMALL):
            found[address, "small"] = small
    assert found == {}
    expect(page.get_by_text("You have 1 of 1 project. Delete one to restore")).to_be_visible()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete it and restore the other").click()
    expect(page.locator("#messages")).to_contain_text("is restored")


def _unfold(page: Page) -> None:
    page.wait_for_load_state()
    if page.locator(".deleted-projects:not([open]) > summary").count():
        page.locator(".deleted-projects > summary").click()
