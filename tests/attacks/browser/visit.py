"""A browser in which a user is signed in and visits strangers' pages.

Pages of other sites and of notebooks are stubs: the browser is told to find them at an address
there. The browser itself then decides what they may do from that origin, as it would for real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.attacks.attempt import Attempt, Verdict
from tests.attacks.cast import World
from tests.browser.conftest import STILL

KIND = "browser"
EVIL = "http://evil.example"
PATIENCE = 20_000
"""Milliseconds."""


@dataclass
class Visit:
    """One browser, in which the owner of the target is signed in."""

    world: World
    context: BrowserContext

    def portal(self, path: str = "/") -> Page:
        """Return a page of the portal."""
        page = self.context.new_page()
        page.goto(self.world.filled(f"{{url}}{path}"))
        return page

    def stranger(self, body: str = "<p>attack</p>", origin: str = EVIL) -> Page:
        """Open a page with this body at this origin and return it."""
        filled = self.world.filled(body)
        self.context.route(
            f"{origin}/attack", lambda route: route.fulfill(body=filled, content_type="text/html")
        )
        page = self.context.new_page()
        page.goto(f"{origin}/attack")
        return page

    @property
    def notebook(self) -> str:
        """Return the origin of an attacker's notebook, which the owner visits."""
        return f"http://{self.world.words['hostile']}"


Act = Callable[[Visit], Any]


@dataclass(frozen=True)
class InBrowser(Attempt):
    """An attempt in a browser. ``act`` returns what the attacker got, or nothing if the portal
    held.
    """

    act: Act
    signed_in: str = field(default="alice", kw_only=True)

    def tried(self, world: World, chromium: Browser) -> Verdict:
        context = chromium.new_context(**STILL)
        context.set_default_timeout(PATIENCE)
        try:
            if self.signed_in:
                context.add_cookies([_session(world, self.signed_in)])
            return self.judge(self.act(Visit(world, context)))
        finally:
            context.close()


def _session(world: World, name: str) -> Any:
    return {
        "name": world.cookie,
        "value": world.sessions[name],
        "url": world.stack.url,
        "httpOnly": True,
        "sameSite": "Lax",
    }
