"""A flood of log lines: all of them arrive, and the page stays quick."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.githttp import GitServer
from tests.stack import Api

LINES = 20_000
FLOOD = f"""#!/bin/bash
for n in $(seq {LINES}); do
  echo "line $n of the flood"
  (( n % 200 )) || sleep 0.05
done
echo "the last one"
sleep 600
"""
WIDE = "x" * 1500
DISTANCE_TO_END = "l => l.scrollHeight - l.scrollTop - l.clientHeight"


@pytest.fixture
def flooded(git: GitServer, ada: Api) -> str:
    """The address of a project whose build writes the flood."""
    files = {"postBuild": FLOOD}
    return f"/projects/{ada.launch(git.repository('ada/flood', files, executable=['postBuild']))}/"


def test_a_flood_of_lines_can_be_followed_searched_paused_and_copied(
    sign_in: SignIn, flooded: str
) -> None:
    page = sign_in(permissions=["clipboard-read", "clipboard-write"])
    page.goto(flooded)
    lines = page.locator("#lines")
    expect(lines).to_contain_text("the last one", timeout=90_000)
    assert page.locator("#lines .row").count() < 2000
    assert lines.evaluate(DISTANCE_TO_END) < 5

    lines.hover()
    page.mouse.wheel(0, -4000)
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_be_visible()
    follow.click()
    expect(follow).to_be_hidden()
    assert lines.evaluate(DISTANCE_TO_END) < 5

    field = page.get_by_label("Search the log")
    field.fill("LINE 1999")
    expect(page.locator(".log-search output")).to_have_text("1 of 11")
    expect(page.locator("#lines .current-match mark")).to_have_text("line 1999")
    field.press("Shift+Enter")
    expect(page.locator(".log-search output")).to_have_text("11 of 11")
    expect(page.locator("#lines .current-match")).to_have_text("line 19999 of the flood")
    expect(page.locator("#lines .current-match")).to_be_in_viewport()

    page.get_by_role("button", name="Copy", exact=True).first.click()
    copied = page.evaluate("() => navigator.clipboard.readText()").split("\n")
    assert [line for line in copied if line.startswith("line ")] == [
        f"line {number} of the flood" for number in range(1, LINES + 1)
    ]

    page.pdf(page_ranges="1")  # all rows are laid out, and drawing hundreds of pages says no more
    assert page.locator("#lines .row").count() == len(copied)

    number = copied.index("line 700 of the flood") + 1
    page.goto("/")
    page.goto(f"{flooded}#L{number}")
    linked = page.locator(f"#L{number}")
    expect(linked).to_have_class(re.compile("linked"))
    expect(linked).to_contain_text("line 700 of the flood")
    expect(linked).to_be_in_viewport()
    page.wait_for_timeout(1000)
    expect(linked).to_be_in_viewport()


def test_a_paused_log_stands_still_and_a_wrapped_log_fits_the_page(
    page: Page, git: GitServer, ada: Api
) -> None:
    script = f"#!/bin/bash\necho {WIDE}\nfor n in $(seq 600); do echo tick $n; sleep 0.1; done\n"
    url = git.repository("ada/ticks", {"postBuild": script}, executable=["postBuild"])
    page.goto(f"/projects/{ada.launch(url)}/")
    lines = page.locator("#lines")
    expect(lines).to_contain_text("tick 3")
    assert lines.evaluate("l => l.scrollWidth > l.clientWidth")
    page.get_by_role("button", name="Wrap").click()
    assert lines.evaluate("l => l.scrollWidth <= l.clientWidth")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(200)
    before = page.locator("#lines .row").count()
    resume = page.get_by_role("button", name=re.compile(r"Resume \(\d+ new\)"))
    expect(resume).to_be_visible()
    assert page.locator("#lines .row").count() == before
    resume.click()
    expect(page.locator("#lines .row")).not_to_have_count(before)
    assert lines.evaluate(DISTANCE_TO_END) < 5


def test_the_log_falls_back_to_server_sent_events(page: Page, git: GitServer, ada: Api) -> None:
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close())
    script = "#!/bin/bash\nfor n in $(seq 100); do echo tick $n; sleep 0.1; done\n"
    url = git.repository("ada/events", {"postBuild": script}, executable=["postBuild"])
    page.goto(f"/projects/{ada.launch(url)}/")
    expect(page.locator("#lines")).to_contain_text("tick 100", timeout=60_000)
    page.wait_for_url(re.compile(r"\.localhost:\d+/lab"))
