"""Pages of other origins in a browser: with a token one that is listed may launch and run a cell;
another may not, and that ada is signed in in this browser counts for neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page

from tests.browser.conftest import PATIENCE
from tests.githttp import GitServer
from tests.stack import PASSWORD, Api, Stack
from tests.threadserver import ThreadServer

LAUNCH = """async ([address, token]) => {
  const headers = {Accept: "text/event-stream", ...(token && {Authorization: `Bearer ${token}`})};
  const answer = await fetch(address, {headers, credentials: token ? "omit" : "include"});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "";;) {
    const {value, done} = await reader.read();
    text += value ?? "";
    const last = text.match(/^data: (.*"phase": "(ready|failed)".*)$/m);
    if (last || done) { await reader.cancel(); return [answer.status, last?.[1] ?? text]; }
  }
}"""
KERNEL = """async ([url, token]) => {
  const headers = {Authorization: `token ${token}`, "Content-Type": "application/json"};
  const made = await fetch(`${url}api/kernels`, {method: "POST", headers, body: "{}"});
  return (await made.json()).id;
}"""
CELL = """([url, token, id, code]) => new Promise((done) => {
  const address = `${url.replace("http", "ws")}api/kernels/${id}/channels`;
  const socket = new WebSocket(token ? `${address}?token=${token}` : address);
  const end = (said) => { socket.close(); done(said); };
  socket.onerror = () => end("refused");
  socket.onmessage = ({data}) => {
    const message = JSON.parse(data);
    if (message.msg_type === "stream") end(message.content.text);
  };
  socket.onopen = () => socket.send(JSON.stringify({
    header: {msg_id: "1", msg_type: "execute_request", username: "", session: "1", version: "5.3"},
    parent_header: {}, metadata: {}, channel: "shell",
    content: {code, silent: false, store_history: false, user_expressions: {}},
  }));
})"""
TRY = """async (address) => {
  const headers = {Accept: "text/event-stream"};
  await fetch(address, {mode: "no-cors", credentials: "include", headers});
}"""


@pytest.fixture
def page(chromium: Browser, stack: Stack) -> Iterator[Page]:
    """A page in a browser in which ada is signed in."""
    with chromium.new_context(base_url=stack.url) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto("/sign-in/")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        yield page


class Book(BaseHTTPRequestHandler):
    """An empty page at every address."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Book</title>")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def book(stack: Stack) -> Iterator[str]:
    """The origin that the portal lists; 127.0.0.1 instead of localhost is another one."""
    origin = stack.environment["PORTAL_CORS_ORIGINS"]
    with ThreadServer(Book, port=urlsplit(origin).port or 0):
        yield origin


@pytest.fixture
def build(stack: Stack, git: GitServer) -> str:
    """An address of the build API."""
    repository = git.repository("ada/in-a-book", {"index.ipynb": "{}"})
    return f"{stack.url}/build/git/{quote(repository, safe='')}/main"


def launched(page: Page, build: str, token: str) -> Any:
    status, event = page.evaluate(LAUNCH, [build, token])
    assert status == 200, event
    return json.loads(event)


def test_a_listed_page_launches_with_a_token_and_runs_a_cell(
    page: Page, stack: Stack, build: str, ada: Api, book: str
) -> None:
    page.goto(book)
    ready = launched(page, build, ada.token)
    url, token = ready["url"], ready["token"]
    kernel = page.evaluate(KERNEL, [url, token])
    assert page.evaluate(CELL, [url, token, kernel, "print(6 * 7)"]) == "42\n"

    # Ada opens the notebook in this browser: it has the notebook's cookie, too.
    page.goto(url, wait_until="commit")
    page.wait_for_url(f"{url}**")
    page.goto(book)
    assert page.evaluate(CELL, [url, "", kernel, "print(1)"]) == "refused"

    page.goto(book.replace("localhost", "127.0.0.1"))  # an origin that is not listed
    assert page.evaluate(CELL, [url, token, kernel, "print(1)"]) == "refused"
    for script, arguments in ((LAUNCH, [build, ada.token]), (KERNEL, [url, token])):
        with pytest.raises(Error, match="Failed to fetch"):
            page.evaluate(script, arguments)


def test_no_page_of_elsewhere_starts_a_launch_by_the_visitors_cookie(
    page: Page, stack: Stack, git: GitServer, build: str, ada: Api, book: str
) -> None:
    name = ada.launch(git.repository("ada/own", {"index.ipynb": "{}"}))
    notebook = ada.until(name, "ready")["url"]
    # A browser sends the cookie within the site only, and there it does not count: 403, not 401.
    # Another port of the portal's host is of its site, as notebooks' hosts are where the portal
    # has a domain; each host below localhost is a site of its own.
    elsewhere = book.replace("localhost", "127.0.0.1")
    for place, expected in ((book, 403), (notebook, 401), (elsewhere, 401)):
        page.goto(place, wait_until="commit")
        page.wait_for_url(f"{place}**")
        page.wait_for_load_state("domcontentloaded")
        with pytest.raises(Error, match="Failed to fetch"):
            page.evaluate(LAUNCH, [build, ""])
        with page.expect_response("**/build/**") as answer:
            page.evaluate(TRY, build)
        assert answer.value.status == expected, place
    assert [project["name"] for project in ada.http.get("projects/").json()] == [name]

    page.goto("/")  # a page of the portal itself may
    assert page.evaluate(LAUNCH, [build, ""])[0] == 200
