"""Accessibility: widths, contrast, target sizes, keyboard, motion."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.githttp import GitServer
from tests.marks import in_long_tests
from tests.stack import Api

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor);
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (!text || !element.checkVisibility()) continue;
    if (element.closest(".visually-hidden, script")) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""
SMALL = """() => [...document.querySelectorAll("button, a[role=button], summary, input, nav a")]
  .filter((e) => e.checkVisibility() && !e.matches(".copy, [type=radio], [type=hidden]"))
  .filter((e) => e.getBoundingClientRect().height < 43.5)
  .map((e) => e.outerHTML.slice(0, 80))"""
OVERFLOW = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.fixture
def addresses(git: GitServer, ada: Api) -> list[str]:
    """Pages with content: a failed project and a stopped one."""
    broken = {"Dockerfile": "FROM scratch\n"}
    failed = ada.launch(git.repository("ada/a-rather-long-name-for-a-repository", broken))
    stopped = ada.launch(git.repository("ada/looked-at", {"index.ipynb": "{}"}))
    ada.until(failed, "failed")
    ada.until(stopped, "ready")
    ada.verb(stopped, "stop")
    ada.until(stopped, "stopped")
    return ["/", f"/projects/{failed}/", f"/projects/{stopped}/", "/account/", "/nothing/here/"]


@pytest.mark.parametrize("scheme", ["dark", *in_long_tests("light")])
def test_pages_have_contrast_large_targets_and_no_horizontal_scrolling(
    sign_in: SignIn, addresses: list[str], scheme: str
) -> None:
    page = sign_in(color_scheme=scheme)
    found: dict[Any, Any] = {}
    for address in addresses:
        for width in (360, 768, 1440, 2560):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(address)
            page.wait_for_load_state()
            if page.evaluate(OVERFLOW) > 0:
                found[address, width, "overflow"] = page.evaluate(OVERFLOW)
        if poor := page.evaluate(CONTRAST):
            found[address, "contrast"] = poor
        if small := page.evaluate(SMALL):
            found[address, "small"] = small
    assert found == {}


ADMIN_PAGES = [
    "/admin/",
    "/admin/notebook_sessions/project/",
    "/admin/notebook_sessions/session/",
    "/admin/notebook_sessions/build/",
    "/admin/portal/user/",
    "/admin/portal/announcement/add/",
    "/admin/quotas/limitset/",
    "/admin/quotas/limitrequest/",
    "/api/v1/docs/",
    "/account/tokens/",
    "/going/",
]


@pytest.mark.parametrize("who", ["ada", "admin"])
def test_axe_finds_nothing_serious(sign_in: SignIn, addresses: list[str], who: str) -> None:
    page = sign_in(who, bypass_csp=True)  # axe writes inline styles
    found = {}
    for address in addresses if who == "ada" else ADMIN_PAGES:
        page.goto(address)
        if serious := serious_findings(page):
            found[address] = serious
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto("/admin/portal/user/" if who == "admin" else "/account/")
    assert (found, serious_findings(page)) == ({}, [])


def serious_findings(page: Page) -> list[str]:
    """Return what axe, a checker of accessibility, finds that keeps people from using the page."""
    violations = Axe().run(page).response["violations"]
    serious = [each for each in violations if each["impact"] in {"serious", "critical"}]
    return [f"{each['id']}: {node['html'][:120]}" for each in serious for node in each["nodes"]]


def test_the_colour_scheme_is_kept_across_pages(page: Page) -> None:
    page.goto("/account/")
    page.get_by_label("Dark", exact=True).check()
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.goto("/account/")
    expect(page.get_by_label("Light", exact=True)).to_be_checked()
    page.get_by_label("Same as system").check()
    page.goto("/")
    expect(page.locator("html")).not_to_have_attribute("data-theme", "light")


def test_the_keyboard_reaches_every_control_with_a_visible_focus(
    page: Page, addresses: list[str]
) -> None:
    page.goto("/account/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.goto(addresses[2])
    for _time in range(60):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() == 0:
            break
        outline = focused.evaluate("e => getComputedStyle(e).outlineStyle")
        assert outline != "none", focused.evaluate("e => e.outerHTML.slice(0, 100)")
    page.locator(".head .menu summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_nothing_is_animated_under_reduced_motion(
    sign_in: SignIn, git: GitServer, ada: Api
) -> None:
    page = sign_in(reduced_motion="reduce")
    script = "#!/bin/bash\nsleep 600\n"
    url = git.repository("ada/still", {"postBuild": script}, executable=["postBuild"])
    page.goto(f"/projects/{ada.launch(url)}/")
    expect(page.locator(".head .state")).to_have_text("building")
    assert page.evaluate("() => document.getAnimations().length") == 0
