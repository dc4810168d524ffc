"""The preview of a README beside the build: it comes by itself, and can do nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.githttp import GitServer
from tests.hostile import ACTIVE_HTML, ELSEWHERE
from tests.stack import Api

BUILD = "#!/bin/bash\necho building\nsleep 600\n"
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(28, 31, 35)"}
OTHER = {"light": "dark", "dark": "light"}
README = "# Flowers\n\nAll about **flowers**.\n\n"


@pytest.fixture
def building(git: GitServer, ada: Api) -> str:
    """The address of a project whose build takes long enough to read its hostile README."""
    files = {"postBuild": BUILD, "README.md": README + "\n\n".join(ACTIVE_HTML)}
    url = git.repository("ada/preview", files, executable=["postBuild"])
    return f"/projects/{ada.launch(url)}/"


def frame_of(page: Page):
    frame = page.locator("#preview iframe")
    expect(frame).to_have_attribute("title", "Preview of README.md")
    return frame


def test_it_appears_without_a_reload_and_nothing_in_it_runs_or_leaves(
    sign_in: SignIn, building: str
) -> None:
    page = sign_in()
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.goto(building)
    frame = frame_of(page)
    shown = frame.content_frame
    expect(shown.get_by_role("heading", name="Flowers")).to_be_visible()
    assert [url for url in asked if urlsplit(url).path == building] == [
        page.url.split("#")[0]
    ]  # once: the preview came by itself

    inside = page.frames[-1]
    assert inside.url.partition("?")[0].endswith(f"{building}preview/")
    shown.get_by_text("b", exact=True).last.click()
    shown.get_by_text("c", exact=True).last.click()
    frame.evaluate("frame => { frame.dataset.same = 1; htmx.trigger(document.body, 'changed'); }")
    page.wait_for_load_state("networkidle")
    expect(page.locator("#preview iframe[data-same]")).to_have_count(1)  # not made anew
    assert inside.url.partition("?")[0].endswith(f"{building}preview/")
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith("data:")}
    assert hosts == {urlsplit(page.url).netloc}
    assert not any(ELSEWHERE in url for url in asked)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_follows_the_look(sign_in: SignIn, building: str, scheme: str) -> None:
    page = sign_in(color_scheme=scheme, viewport={"width": 360, "height": 740})
    page.goto(building)
    shown = frame_of(page).content_frame
    expect(shown.get_by_role("heading", name="Flowers")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    ground = shown.locator("body").evaluate("b => getComputedStyle(b).backgroundColor")
    assert ground == GROUNDS[scheme]
    page.locator("[data-theme-switch]").click()
    expect(shown.locator("html")).to_have_attribute("data-theme", other := OTHER[scheme])
    ground = shown.locator("body").evaluate("b => getComputedStyle(b).backgroundColor")
    assert ground == GROUNDS[other]
    page.locator("#preview summary").click()
    expect(page.locator("#preview iframe")).to_be_hidden()
