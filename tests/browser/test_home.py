"""The launch form while typing, and the list that refreshes itself."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.githttp import GitServer
from tests.stack import Api


def test_the_launch_form_previews_the_address_while_typing(page: Page) -> None:
    field = page.get_by_label("Launch a repository")
    expect(field).to_be_focused()
    page.keyboard.type("https://github.com/marsja/bindertut/blob/main/index.ipynb")
    answer = page.locator("#launch-preview")
    for part in ("GitHub", "marsja/bindertut", "main", "opens index.ipynb"):
        expect(answer).to_contain_text(part)
    field.fill("file:///etc/passwd")
    expect(answer.get_by_role("alert")).to_contain_text("launch.protocol-not-allowed")
    field.fill("marsja/bindertut")
    page.get_by_text("Branch and file").click()
    page.get_by_label("Branch, tag or commit").fill("v1.2")
    expect(answer).to_contain_text("v1.2")


def test_a_refused_launch_keeps_the_text_and_the_focus(page: Page) -> None:
    field = page.get_by_label("Launch a repository")
    field.fill("no address at all")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("launch.repository-not-understood")
    expect(field).to_have_value("no address at all")
    expect(field).to_be_focused()


def test_the_list_refreshes_without_closing_menus_or_moving_the_focus(
    page: Page, git: GitServer, ada: Api
) -> None:
    url = git.repository("ada/listed", {"index.ipynb": "{}"})
    name = ada.launch(url)
    card = page.locator(f"#project-{name}")
    expect(card).to_be_visible()
    expect(page.locator("#project-count")).to_contain_text("1 of 5 projects")
    ada.until(name, "ready")
    expect(card.locator(".state")).to_have_text("ready")
    card.locator(".menu summary").click()
    ada.verb(name, "stop")
    ada.until(name, "stopped")
    page.wait_for_timeout(1500)
    expect(card.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("Escape")
    expect(card.locator(".state")).to_have_text("stopped")
    expect(card.locator(".menu summary")).to_be_focused()
    start = card.get_by_role("button", name="Start").first
    start.focus()
    other = ada.launch(url)
    expect(page.locator(f"#project-{other}")).to_be_visible()
    expect(start).to_be_focused()


def test_deleting_a_project_at_the_limit_lets_the_launch_proceed(
    page: Page, git: GitServer, ada: Api
) -> None:
    url = git.repository("ada/many", {"index.ipynb": "{}"})
    names = [ada.launch(url) for _number in range(5)]
    page.goto("/")
    page.get_by_label("Launch a repository").fill(url)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("You have 5 of 5 projects.")
    row = page.locator(".blocking-projects li", has=page.locator(f"a[href*='{names[0]}']"))
    row.get_by_role("button", name="Delete…").click()
    row.get_by_role("button", name="Delete it and launch").click()
    page.wait_for_url("**/projects/*/")
    left = {project["name"] for project in ada.http.get("projects/").json()}
    assert len(left) == 5
    assert names[0] not in left


def test_everything_works_without_javascript(sign_in: SignIn, git: GitServer, ada: Api) -> None:
    page = sign_in(java_script_enabled=False)
    files = {"postBuild": "#!/bin/bash\necho prepared\n"}
    page.get_by_label("Launch a repository").fill("no address at all")
    page.get_by_role("button", name="Launch", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("launch.repository-not-understood")
    url = git.repository("ada/plain", files, executable=["postBuild"])
    page.get_by_label("Launch a repository").fill(url)
    page.get_by_role("button", name="Launch", exact=True).click()
    expect(page.locator(".head .state")).to_have_text("ready")  # it loads itself anew
    page.locator("#log > summary").click()
    expect(page.locator("#log noscript pre")).to_contain_text("prepared")
    expect(page.locator("#lines")).to_be_hidden()
    page.locator(".head .menu summary").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#messages")).to_contain_text("is being stopped")
    page.goto("/")
    page.locator("#project-list .menu summary").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#messages")).to_contain_text("is deleted")
    expect(page.get_by_role("button", name="Launch Hello")).to_be_visible()


def test_copying_works_where_the_browser_has_no_clipboard_for_the_page(sign_in: SignIn) -> None:
    page = sign_in(permissions=["clipboard-read"])
    other = page.context.new_page()
    other.goto("/")
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', {})")
    page.goto("/account/")
    copy = page.locator("[data-copy]").first
    copy.click()
    expect(copy).to_have_class(re.compile("copied"))
    other.bring_to_front()
    assert other.evaluate("() => navigator.clipboard.readText()") == copy.get_attribute("data-copy")
    page.evaluate("() => { document.execCommand = () => false }")
    page.bring_to_front()
    copy.click()
    selected = page.get_by_role("textbox", name="Press Ctrl+C to copy the selected text.")
    expect(selected).to_be_focused()
    expect(selected).to_have_value(copy.get_attribute("data-copy") or "")
