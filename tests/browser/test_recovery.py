"""A progress page that is open while a part of the portal is killed continues by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_journey import launch
from tests.githttp import GitServer
from tests.stack import Api, Stack

TICKS = 120
SLOW = f"""#!/bin/bash
for tick in $(seq {TICKS}); do echo "tick $tick."; sleep 0.1; done
"""


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
