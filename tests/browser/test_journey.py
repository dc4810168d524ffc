"""The main user journey: from an address to a cell that runs, and back."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from tests.githttp import GitServer
from tests.stack import Api

CODE = (
    "import os; folder = '/home/ada-nfs-pvc/journey'; os.makedirs(folder, exist_ok=True);"
    " before = sorted(os.listdir(folder));"
    " open(f'{folder}/{len(before)}.txt', 'w').write('kept'); print('found', before)"
)
NOTEBOOK = json.dumps(
    {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": "only",
                "metadata": {},
                "outputs": [],
                "source": [CODE],
            }
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
)
POST_BUILD = "#!/bin/bash\necho preparing the data\n"


def launch(page: Page, address: str, file: str = "") -> str:
    """Paste the address and launch; return the address of the project's page."""
    page.goto("/")
    page.get_by_label("Launch a repository").fill(address)
    if file:
        page.get_by_text("Branch and file").click()
        page.get_by_label("File or folder to open").fill(file)
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url(re.compile("/projects/"))
    return page.url


def run_first_cell(page: Page) -> str:
    """Run the only cell of the notebook that is open in JupyterLab and return its output."""
    # Before its socket is open JupyterLab forgets what it is told to run. The status bar says so;
    # the indicator above the notebook is idle from the beginning.
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.locator(".jp-Notebook .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    output = page.locator(".jp-OutputArea-output").first
    output.wait_for()
    return output.inner_text().strip()


def test_from_an_address_to_a_notebook_and_back(page: Page, git: GitServer, ada: Api) -> None:
    files = {"index.ipynb": NOTEBOOK, "postBuild": POST_BUILD}
    first = launch(
        page, git.repository("ada/journey", files, executable=["postBuild"]), "index.ipynb"
    )
    expect(page.locator("#lines")).to_contain_text("preparing the data")
    page.wait_for_url(re.compile(r"\.localhost:\d+/lab/tree/index\.ipynb"))
    assert run_first_cell(page) == "found []"

    other = {"index.ipynb": NOTEBOOK, "README.md": "another"}
    launch(page, git.repository("ada/second", other), "index.ipynb")
    page.wait_for_url(re.compile(r"\.localhost:\d+/lab/tree/index\.ipynb"))
    assert run_first_cell(page) == "found ['0.txt']"

    page.goto(first)
    page.locator(".head .menu summary").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".head .state")).to_have_text("stopped")
    page.get_by_role("button", name="Start").first.click()
    page.wait_for_url(re.compile(r"\.localhost:\d+/lab"))

    page.goto(first)
    expect(page.locator(".steps .skipped")).to_contain_text("reused")
    page.locator(".head .menu summary").click()
    page.get_by_role("button", name="Delete…").click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("Your files in /home/ada-nfs-pvc stay.")
    asked.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/")
    expect(page.get_by_role("status").first).to_contain_text("is deleted")
    expect(page.locator("#project-list article")).to_have_count(1)


def test_nobody_is_redirected_after_scrolling_or_arriving_late(
    page: Page, git: GitServer, ada: Api
) -> None:
    address = launch(page, git.repository("ada/stays", {"index.ipynb": "{}", "a": "1"}))
    page.mouse.wheel(0, 50)
    expect(page.locator(".head .state")).to_have_text("ready")
    expect(page.locator("#open")).to_be_visible()
    page.wait_for_timeout(2000)
    assert page.url == address
    assert page.title().startswith("ready – ")
    assert "ready" in (page.locator("#favicon").get_attribute("href") or "")
    page.goto("/")
    page.goto(address)
    page.wait_for_timeout(2000)
    assert page.url == address
    page.locator("#open").click()
    page.wait_for_url(re.compile(r"\.localhost:\d+/lab"))


def test_a_failed_launch_shows_the_error_and_can_be_rebuilt(
    page: Page, git: GitServer, ada: Api
) -> None:
    files = {"postBuild": "#!/bin/bash\necho alas, no data\nexit 3\n"}
    launch(page, git.repository("ada/broken", files, executable=["postBuild"]))
    box = page.get_by_role("alert")
    expect(box).to_contain_text("The launch failed")
    expect(box).to_contain_text("build.post-build")
    assert page.title().startswith("failed – ")
    git.repository("ada/broken", {"postBuild": POST_BUILD}, executable=["postBuild"])
    box.get_by_role("button", name="Rebuild from scratch").click()
    expect(page.locator("#lines")).to_contain_text("Starting JupyterLab once")
    page.wait_for_url(re.compile(r"\.localhost:\d+/lab"))


def test_an_empty_log_says_so(page: Page, git: GitServer) -> None:
    launch(page, git.repository("ada/there", {"index.ipynb": "{}"}).replace("there", "gone"))
    expect(page.get_by_role("alert")).to_contain_text("The launch failed")
    said = "l => [l.childElementCount, getComputedStyle(l, '::before').content]"
    assert page.locator("#lines").evaluate(said) == [0, '"No build log yet."']


def test_a_launch_can_be_cancelled(page: Page, git: GitServer, ada: Api) -> None:
    files = {"postBuild": "#!/bin/bash\necho waiting; sleep 60\n"}
    launch(page, git.repository("ada/slow", files, executable=["postBuild"]))
    expect(page.locator("#lines")).to_contain_text("waiting")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator(".head .state")).to_have_text("stopped")
    expect(page.locator("#messages")).to_contain_text("is cancelled")
