"""Attempts by pages of other sites and of notebooks in a visitor's browser; see `browser`."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.attacks import browser
from tests.attacks.attempt import attempts, require
from tests.attacks.browser.visit import InBrowser
from tests.attacks.cast import World


@attempts(browser.ATTEMPTS)
def test_portal_withstands_hostile_pages_in_a_browser(
    attempt: InBrowser, world: World, chromium: Browser
) -> None:
    require(attempt.tried(world, chromium))
