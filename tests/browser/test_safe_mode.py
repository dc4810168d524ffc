"""A notebook that does not start: the page leads to safe mode, where JupyterLab says what it is."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.test_journey import launch
from tests.githttp import GitServer
from tests.stack import Api

FAILS = "#!/bin/sh\necho the licence server is away\nexit 3\n"


def test_jupyterlab_says_that_it_is_in_safe_mode_and_the_page_shows_files_afterwards(
    page: Page, git: GitServer, ada: Api
) -> None:
    address = launch(page, git.repository("ada/page-safe", {"start": FAILS, "index.ipynb": "{}"}))
    page.wait_for_url(re.compile(r"\.localhost:\d+/lab"), timeout=90_000)
    notice = page.locator("#bindery-safe-mode")
    expect(notice).to_contain_text("Safe mode.")
    expect(notice).to_contain_text("the licence server is away")
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_have_count(0)

    page.goto(address)
    expect(page.get_by_role("heading", name="Safe mode")).to_be_visible()
    page.locator("summary", has_text="More actions").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("link", name="My files").click()
    page.get_by_role("link", name="This project’s files").click()
    page.get_by_text("Delete…").last.click()
    page.get_by_role("button", name="Delete for good").last.click()
    expect(page.get_by_text("is deleted.")).to_be_visible()
