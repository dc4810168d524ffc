"""Fixtures: a portal with two providers, campus and partner, and Chromium.

Members of the group “members” of each are let in, members of “bindery-staff” of campus operate the
portal, and the providers are asked again every few seconds. Campus puts all claims into the id
token; partner keeps them for its userinfo endpoint, as others do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import PATIENCE, STILL, chromium  # noqa: F401  a fixture
from tests.githttp import GitServer
from tests.oidc.certified import Provider
from tests.shells import Shell
from tests.stack import Stack

SETTINGS = {
    "OIDC_PROVIDERS": "campus,partner",
    "OIDC_CAMPUS_NAME": "Campus",
    "OIDC_PARTNER_NAME": "Partner University",
    "OIDC_PARTNER_GROUP_PREFIX": "partner:",
    "OIDC_ALLOW_GROUPS": "members, partner:members",
    "OIDC_OPERATORS": "bindery-staff",
    "OIDC_REFRESH_SECONDS": "3",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/oidc/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.xdist_group("campus"))
            item.add_marker(
                pytest.mark.slow("pages of a whole portal and of a provider", seconds=240)
            )


@dataclass(frozen=True)
class Site:
    stack: Stack
    campus: Provider
    partner: Provider
    shell: Shell

    def ask(self, question: str) -> str:
        """Return the value of an expression in the portal, as text; ``User`` is defined."""
        return self.shell.ask(question)

    def groups(self, username: str) -> list[str]:
        mine = f"User.objects.get(username='{username}').groups.order_by('name')"
        return self.ask(f"*{mine}.values_list('name', flat=True), sep=','").split(",")


@pytest.fixture(scope="package")
def site(git_server: GitServer, warm_data: Path) -> Iterator[Site]:
    with ExitStack() as open_:
        stack = Stack(PORTAL_TRUSTED_GIT_HOSTS=git_server.host)
        stack.warm_up(warm_data)
        campus = open_.enter_context(Provider(stack.url, "campus"))
        partner = open_.enter_context(Provider(stack.url, "partner", claims_in_id_token=False))
        stack.environment |= SETTINGS | campus.environment("OIDC_CAMPUS_")
        stack.environment |= partner.environment("OIDC_PARTNER_")
        open_.callback(stack.close)
        try:
            stack.start()
            yield Site(stack, campus, partner, open_.enter_context(Shell(stack)))
        finally:
            print(stack.log.read_text(errors="replace")[-5000:])  # noqa: T201  for the report


Visit = Callable[[], Page]


@pytest.fixture
def visit(chromium: Browser, site: Site) -> Iterator[Visit]:  # noqa: F811
    """``visit()`` returns a page in a new browser that has never been here."""
    with ExitStack() as open_:
        complaints: list[str] = []

        def fresh() -> Page:
            context = chromium.new_context(base_url=site.stack.url, **STILL)
            context.set_default_timeout(PATIENCE)
            open_.callback(context.close)
            context.on(
                "console",
                lambda message: (
                    complaints.append(message.text)
                    if "Content Security Policy" in message.text
                    else None
                ),
            )
            return context.new_page()

        yield fresh
    assert complaints == []


def door(page: Page, provider: str) -> Locator:
    """Return the provider's button on the sign-in page."""
    return page.get_by_role("button", name=f"Sign in with {provider}")


def choose(page: Page, provider: str = "Campus") -> None:
    """Go from the sign-in page to the provider's."""
    page.goto("/sign-in/")
    door(page, provider).click()
    expect(page.get_by_role("heading", name="Provider")).to_be_visible()


def answer(page: Page, subject: str) -> None:
    """Sign in at the provider as this subject."""
    page.get_by_label("Person").fill(subject)
    page.get_by_role("button", name="Continue").click()


def enter(page: Page, site: Site, subject: str, provider: str = "Campus") -> None:
    """Sign in, and go to the first page."""
    choose(page, provider)
    answer(page, subject)
    page.wait_for_url(f"{site.stack.url}/")
