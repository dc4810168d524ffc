"""Fixtures: Chromium, with ada signed in on the whole portal.

A page that writes an error to its console fails its test: that is how a script, a style or an
address that the Content-Security-Policy refuses is noticed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    WebError,
    expect,
    sync_playwright,
)

from tests.githttp import GitServer
from tests.stack import PASSWORD, Api, Stack

ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
PATIENCE = 60_000
"""Milliseconds that a browser waits for something that must come; the machine may be busy."""

STILL: Any = {"reduced_motion": "reduce"}
"""Options of a context: drawing a spinner all the time would keep a processor busy."""

REFUSALS = ("the server responded with a status of", "Response Status Error Code")
"""Lines of Chromium and htmx about an answer with an error, which the tests look at."""

SignIn = Callable[..., Page]
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.slow("pages of a whole portal", seconds=240))


@pytest.fixture
def git(git_server: GitServer) -> GitServer:
    return git_server


@contextmanager
def launched(*arguments: str) -> Iterator[Browser]:
    """Launch Chromium with these arguments beside those that every test needs."""
    with sync_playwright() as playwright:
        # The former takes less of a processor; it draws no window that nobody sees.
        program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        assert program, "these tests need Chromium"
        options: Any = {"executable_path": program, "args": [*ARGUMENTS, *arguments]}
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A Chromium that is closed after this folder's tests: Playwright keeps an event loop running
    in this thread, and no other test could run one of its own.
    """
    with launched() as browser:
        yield browser


@pytest.fixture
def sign_in(chromium: Browser, stack: Stack) -> Iterator[SignIn]:
    """``sign_in(**options)`` returns ada's page in a new browser with these options, or with
    ``name`` another user's.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(name: str = "ada", **options: Any) -> Page:
        context = chromium.new_context(base_url=stack.url, **(STILL | options))
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.goto("/sign-in/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        context.on("console", lambda message: _note(complaints, message))
        context.on("weberror", lambda error: _note_error(complaints, error))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _note(complaints: list[str], message: ConsoleMessage) -> None:
    is_refusal = any(text in message.text for text in REFUSALS)
    is_complaint = message.type in {"error", "warning"} and not is_refusal
    if is_complaint and not _of_a_notebook(message.location.get("url", "")):
        complaints.append(message.text)


def _note_error(complaints: list[str], error: WebError) -> None:
    where = error.page.url if error.page else ""
    if not _of_a_notebook(f"{where} {error.error.stack}"):
        complaints.append(str(error.error))


def _of_a_notebook(where: str) -> bool:
    """Return whether the address is a notebook's: JupyterLab's console errors are not ours to
    fix.
    """
    return ".localhost:" in where


@pytest.fixture
def page(sign_in: SignIn) -> Page:
    """Ada's first page, after signing in."""
    return sign_in()


@pytest.fixture
def ada(stack: Stack) -> Iterator[Api]:
    """Ada by token, quicker than clicking; her projects are deleted after the test."""
    yield from _by_token(stack, "ada")


@pytest.fixture
def bob(stack: Stack) -> Iterator[Api]:
    """Bob by token, like `ada`; no test takes a picture of his first page."""
    yield from _by_token(stack, "bob")


def _by_token(stack: Stack, name: str) -> Iterator[Api]:
    api = stack.api(name)
    yield api
    for project in api.http.get("projects/").json():
        api.delete(project["name"])
    api.http.close()
