"""A progress page that is open while a part of the portal is killed continues by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser.test_journey import launch
from tests.githttp import GitServer
from tests.marks import in_long_tests
from tests.stack import Api, Stack

TICKS = 120
SLOW = f"""#!/bin/bash
for tick in $(seq {TICKS}); do echo "tick $tick."; sleep 0.1; done
"""


@pytest.mark.long  # the check has the same with `web`, below, and `whole/test_crashes`
@pytest.mark.parametrize("part", ["web", "worker", "watch"])
def test_the_progress_page_continues_after_a_part_is_killed(
    page: Page, stack: Stack, git: GitServer, ada: Api, part: str
) -> None:
    files = {"postBuild": SLOW, "README.md": f"{part} is killed"}
    address = launch(page, git.repository(f"ada/page-{part}", files, executable=["postBuild"]))
    expect(page.locator("#lines")).to_contain_text("tick 10.")
    stack.kill(part)
    page.wait_for_url(re.compile(r"\.localhost:\d+/lab"), timeout=90_000)
    page.goto(address)
    page.get_by_text("Build log").click()
    expect(page.locator("#lines")).to_contain_text(f"tick {TICKS}.")
    ticks = re.findall(r"tick (\d+)\.", page.locator("#lines").inner_text())
    assert [int(tick) for tick in ticks] == list(range(1, TICKS + 1))


@pytest.mark.parametrize("status", [502, *in_long_tests(503)])
def test_the_progress_page_survives_a_proxy_without_a_portal(
    page: Page, stack: Stack, git: GitServer, ada: Api, status: int
) -> None:
    """As during an upgrade: for some seconds, the web server in front answers everything."""
    is_away = False

    def answer(route: Route) -> None:
        if is_away:
            route.fulfill(status=status, content_type="text/html", body="<h1>Bad gateway</h1>")
        else:
            route.continue_()

    def connect(socket: WebSocketRoute) -> None:
        if is_away:
            socket.close(code=1011)
        else:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/"), connect)
    page.route(re.compile(r"/(api|projects)/"), answer)
    files = {"postBuild": SLOW, "README.md": f"a proxy answers {status}"}
    address = launch(page, git.repository(f"ada/proxy-{status}", files, executable=["postBuild"]))
    expect(page.locator("#lines")).to_contain_text("tick 10.")
    is_away = True
    stack.kill("web")
    page.wait_for_timeout(10_000)  # sockets, and then events, are refused
    assert page.url == address
    is_away = False
    page.wait_for_url(re.compile(r"\.localhost:\d+/lab"), timeout=90_000)


def test_the_progress_page_ends_when_the_portal_says_so(
    page: Page, stack: Stack, git: GitServer, ada: Api
) -> None:
    files = {"postBuild": SLOW, "README.md": "is deleted"}
    address = launch(page, git.repository("ada/deleted", files, executable=["postBuild"]))
    expect(page.locator("#lines")).to_contain_text("tick 10.")
    ada.delete(address.rstrip("/").rpartition("/")[2])
    expect(page.locator("main")).to_contain_text("was deleted, or belongs to someone else")
