"""The ways between the portal and a notebook's host, and what JupyterLab tells a person whose
request the way does not carry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE
from tests.browser.test_journey import NOTEBOOK, run_first_cell
from tests.githttp import GitServer
from tests.stack import PASSWORD, Api, Stack

MB = 1024**2
WIDGET = json.loads(NOTEBOOK)
WIDGET["cells"][0]["source"] = "import ipywidgets; upload = ipywidgets.FileUpload(); upload"
WIDGET["cells"].append(
    WIDGET["cells"][0] | {"id": "second", "source": "print([each.size for each in upload.value])"}
)

Visit = Callable[[], Page]


@pytest.fixture
def visit(chromium: Browser, stack: Stack) -> Iterator[Visit]:
    """``visit()`` returns a page in a new browser, signed out."""
    contexts: list[BrowserContext] = []

    def fresh() -> Page:
        context = chromium.new_context(base_url=stack.url)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return context.new_page()

    yield fresh
    for context in contexts:
        context.close()


@pytest.fixture
def notebook(ada: Api, git: GitServer) -> str:
    """The address of ada's running notebook."""
    files = {"index.ipynb": NOTEBOOK, "widget.ipynb": json.dumps(WIDGET)}
    name = ada.launch(git.repository("ada/host", files))
    url: str = ada.until(name, "ready")["url"]
    return url


def sign_in(page: Page, name: str = "ada") -> None:
    page.wait_for_url("**/sign-in/**")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_signing_in_from_a_notebooks_address_leads_to_the_file(visit: Visit, notebook: str) -> None:
    page = visit()
    page.goto(f"{notebook}lab/tree/index.ipynb")
    sign_in(page)
    page.wait_for_url(f"{notebook}lab/tree/index.ipynb")
    assert run_first_cell(page).startswith("found")


@pytest.mark.long
def test_signing_in_in_one_of_two_tabs_leads_both_to_the_file(visit: Visit, notebook: str) -> None:
    page = visit()
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"{notebook}lab/tree/index.ipynb")
    sign_in(page)
    page.wait_for_url(f"{notebook}lab/tree/index.ipynb")
    other.reload()
    other.wait_for_url(f"{notebook}lab/tree/index.ipynb")


@pytest.mark.long
def test_choosing_a_password_on_the_way_leads_to_the_file(
    visit: Visit, notebook: str, stack: Stack
) -> None:
    made = "from django.utils import timezone; from portal.models import User; "
    given = "update(password_given=timezone.now(), password_chosen=None)"
    stack.manage("shell", "-c", f"{made}User.objects.filter(username='ada').{given}")
    page = visit()
    page.goto(f"{notebook}lab/tree/index.ipynb")
    sign_in(page)
    chosen = "another long password"
    for field in page.get_by_label(re.compile("password", re.IGNORECASE)).all():
        field.fill(chosen)
    page.get_by_role("button").last.click()
    page.wait_for_url(f"{notebook}lab/tree/index.ipynb")
    back = f"u = User.objects.get(username='ada'); u.set_password('{PASSWORD}'); u.save()"
    stack.manage("shell", "-c", f"from portal.models import User; {back}")


def test_reloading_after_stop_and_start_says_what_happens(
    page: Page, ada: Api, notebook: str
) -> None:
    name = notebook.partition("://")[2].partition(".")[0]
    page.goto(f"/projects/{name}/open/")
    page.wait_for_url(f"{notebook}lab**")
    ada.verb(name, "stop")
    while True:
        page.goto(f"{notebook}lab")
        text = page.locator("body").inner_text()
        assert "does not answer" not in text
        if "not running" in text:
            break
    expect(page.get_by_role("link", name="Go to the project")).to_be_visible()
    ada.verb(name, "start")
    page.goto(f"{notebook}lab")
    expect(page.get_by_role("heading")).to_contain_text("is starting")
    expect(page.locator("#jp-main-dock-panel")).to_be_visible()


def test_large_cookies_of_an_application_do_not_break_a_kernel(page: Page, notebook: str) -> None:
    name = notebook.partition("://")[2].partition(".")[0]
    page.goto(f"/projects/{name}/open/")
    page.wait_for_url(f"{notebook}lab**")
    page.evaluate(COOKIES, [0, 15])  # 52 KB
    page.goto(f"{notebook}lab/tree/index.ipynb")
    assert run_first_cell(page).startswith("found")
    page.evaluate(COOKIES, [15, 20])
    page.keyboard.press("Control+s")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("more cookies than this site accepts")
    other = page.context.new_page()  # they are deleted, with the notebook's own
    other.goto(f"{notebook}lab/tree/index.ipynb")
    other.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


COOKIES = """([first, last]) => {
  for (let number = first; number < last; number += 1) {
    document.cookie = `app${number}=${"x".repeat(3500)}; path=/`;
  }
}"""


@pytest.mark.long
def test_a_widget_takes_large_files_and_says_which_are_too_large(
    page: Page, notebook: str, tmp_path: Path
) -> None:
    name = notebook.partition("://")[2].partition(".")[0]
    page.goto(f"/projects/{name}/open/?path=/lab/tree/widget.ipynb")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    cells = page.locator(".jp-Notebook .cm-content")
    cells.first.click()
    page.keyboard.press("Shift+Enter")
    for size, result in ((12 * MB, f"[{12 * MB}]"), (70 * MB, f"[{12 * MB}]")):
        path = tmp_path / str(size)
        path.write_bytes(b"x" * size)
        with page.expect_file_chooser() as chooser:
            page.locator(".widget-upload").click()
        chooser.value.set_files(path)
        expect(page.locator(".widget-upload")).to_have_text("Upload (1)")
        if size > 64 * MB:
            expect(page.get_by_text("larger than 64 MB")).to_be_visible()
        cells.nth(1).click()
        page.keyboard.press("Control+Enter")
        expect(page.locator(".jp-OutputArea-output").last).to_have_text(result)
