"""A project that nobody uses, on the whole portal: announced, kept, and deleted the next time."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SignIn
from tests.githttp import GitServer
from tests.stack import Api, Stack, eventually

A_MINUTE = 100.0
"""Seconds within which watch has looked again."""
SOME_TIME_AGO = """
from datetime import timedelta; from django.utils import timezone
from sessions.models import Heartbeat, Project, HeartbeatName
now, day = timezone.now(), timedelta(days=1)
Heartbeat.objects.filter(name=HeartbeatName.CULLING).update(since=now - 9 * day)
project = Project.objects.filter(name='{name}')
"""
UNUSED = SOME_TIME_AGO + "project.update(last_activity=now - 6.5 * day)"
DUE = SOME_TIME_AGO + (
    "project.update(last_activity=now - 8 * day, warned=now - 1.1 * day, goes=now - 0.1 * day)"
)


@pytest.mark.long
def test_an_unused_project_is_announced_kept_on_request_and_later_deleted(
    sign_in: SignIn, stack: Stack, git: GitServer, bob: Api
) -> None:
    name = bob.launch(git.repository("bob/left", {"README.md": "left"}))
    bob.until(name, "ready")
    bob.verb(name, "stop")
    bob.until(name, "stopped")
    page = sign_in("bob")
    announced = page.get_by_role("region", name="because nobody uses it")

    stack.manage("shell", "-c", UNUSED.format(name=name))
    eventually(lambda: _is_on_home(page, announced), within=A_MINUTE, what="the banner")
    announced.get_by_role("button", name="Keep").click()
    expect(announced).to_be_hidden()
    assert bob.project(name)["state"] == "stopped"

    stack.manage("shell", "-c", DUE.format(name=name))
    page.goto("/")
    gone = page.get_by_text("One of your projects was recently deleted")
    expect(gone).to_be_visible(timeout=A_MINUTE * 1000)
    expect(announced).to_be_hidden()
    gone.click()
    expect(page.get_by_role("button", name="bob/left.git")).to_have_count(2)  # there is a way back
    assert bob.http.get(f"projects/{name}/").status_code == 404


def _is_on_home(page: Page, text: Locator) -> bool:
    page.goto("/")
    return text.is_visible()
