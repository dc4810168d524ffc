"""Real applications in a notebook work in Chromium as they do without a portal: they keep their
own headers, cookies, redirects, methods, streams and WebSockets.

The portal is as in production: https, hosts of its own, nginx in front. Each application is started
by the command that ``docs/apps.md`` gives, and is opened by somebody who is still signed out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FileChooser, Page, expect

from tests.apps import programs
from tests.apps.conftest import Opened

SIZE = 12_000_000
"""Bytes of the file that is uploaded: more than Tornado takes in a message by default."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upload") / "large.bin"
    path.write_bytes(b"x" * SIZE)
    return path


def test_fastapi_with_its_oauth2_page(page: Page, opened: Opened) -> None:
    opened(programs.FASTAPI)
    page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".modal-ux")
    dialog.get_by_label("username").first.fill("grace")
    dialog.get_by_label("password").first.fill("secret")
    dialog.get_by_role("button", name="Apply given OAuth2 credentials").click()
    dialog.get_by_role("button", name="Close").first.click()
    page.locator("#operations-default-me_me_get").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(
        page.locator(".live-responses-table .response .response-col_description")
    ).to_contain_text('"key": "key-of-grace"')


def test_an_application_keeps_its_headers_methods_redirects_and_cookies(
    page: Page, opened: Opened
) -> None:
    base = f"{opened(programs.FASTAPI)}/proxy/8000"
    seen: Any = fetched(page, f"{base}/seen", headers={"Authorization": "Bearer of-the-app"})
    assert seen["headers"]["authorization"] == "Bearer of-the-app"
    assert seen["url"] == f"{base}/seen/"
    assert "authorization" not in fetched(page, f"{base}/seen/")["headers"]
    assert not [name for name in seen["headers"] if "bindery" in name]
    for method in ("POST", "PUT", "PATCH"):
        answer = fetched(page, f"{base}/seen/", method=method, body="x" * 1000)
        assert (answer["method"], answer["size"]) == (method, 1000)
    for method in ("DELETE", "OPTIONS"):
        assert fetched(page, f"{base}/seen/", method=method)["method"] == method
    for target in ("inside", "root"):
        assert fetched(page, f"{base}/{target}")["url"] == f"{base}/seen/?from={target}"
    assert fetched(page, f"{base}/verify?token=its-own") == {"token": "its-own"}
    form: Any = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "method": "POST"}
    given = fetched(page, f"{base}/token", body="username=a&password=b&token=its-own", **form)
    assert given["access_token"] == "key-of-a"
    fetched(page, f"{base}/cookies")
    cookies = fetched(page, f"{base}/seen/")["headers"]["cookie"]
    for cookie in ("theme=dark", "wide=1", "__Host-own=1", "large2=xxx"):
        assert cookie in cookies
    assert "bindery" not in cookies
    (wide,) = [each for each in page.context.cookies() if each["name"] == "wide"]
    assert base.startswith(f"https://{wide['domain']}:")


def test_an_application_keeps_its_bodies_streams_and_sockets(page: Page, opened: Opened) -> None:
    base = f"{opened(programs.FASTAPI)}/proxy/8000"
    assert page.evaluate(UPLOAD, [f"{base}/files", SIZE]) == {"size": SIZE}
    assert page.evaluate(DOWNLOAD, f"{base}/download?size=150000000") == 150_000_000
    assert page.evaluate(STREAM, f"{base}/stream") == ["0", "1", "2"]
    hello, echoed, protocol = page.evaluate(SOCKET, [f"wss{base[5:]}/ws", SIZE])
    assert '"offered":["first","second"]' in hello.replace(" ", "")
    assert f'"wss{base[5:]}/ws"' in hello
    assert (echoed, protocol) == (str(SIZE), "first")


UPLOAD = """async ([url, size]) => {
  const form = new FormData();
  form.append("file", new Blob(["x".repeat(size)]), "large.bin");
  return (await fetch(url, { method: "POST", body: form })).json();
}"""
DOWNLOAD = "async (url) => (await (await fetch(url)).arrayBuffer()).byteLength"
STREAM = """(url) => new Promise((done) => {
  const found = [], source = new EventSource(url);
  source.onmessage = (event) => {
    found.push(event.data);
    if (found.length === 3) { source.close(); done(found); }
  };
})"""
SOCKET = """([url, size]) => new Promise((done, failed) => {
  const found = [], socket = new WebSocket(url, ["first", "second"]);
  socket.onopen = () => socket.send("x".repeat(size));
  socket.onclose = (event) => failed(`closed with ${event.code} ${event.reason}`);
  socket.onmessage = (event) => {
    found.push(event.data);
    if (found.length === 2) { done([...found, socket.protocol]); }
  };
})"""


def fetched(page: Page, url: str, **options: Any) -> Any:
    """Return the JSON that a page of the application gets."""
    script = """async ([url, options]) => {
      const answer = await fetch(url, options);
      return [answer.status, await answer.text()];
    }"""
    status, text = page.evaluate(script, [url, options])
    assert status == 200, (url, options, status, text[-2000:])
    return json.loads(text)


def test_an_application_with_a_password_of_its_own(page: Page, opened: Opened) -> None:
    address = f"{opened(programs.FASTAPI)}/proxy/8000/basic"
    page.goto(address.replace("https://", "https://grace:secret@"))
    expect(page.locator("body")).to_contain_text('"user":"grace","password":"secret"')


def test_streamlit(page: Page, opened: Opened, file: Path) -> None:
    opened(programs.STREAMLIT)
    expect(page.get_by_role("heading", name="Flowers")).to_be_visible()
    page.get_by_label("Name").fill("grace")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Hello grace")).to_be_visible()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text(f"{SIZE} bytes")).to_be_visible()
    page.get_by_role("button", name="Count").click()
    expect(page.get_by_text("count 4")).to_be_visible()


def test_gradio(page: Page, opened: Opened, file: Path) -> None:
    opened(programs.GRADIO)
    page.get_by_label("username").fill("ada")
    page.get_by_label("password").fill("secret")
    page.get_by_role("button", name="Login").click()
    expect(page.get_by_role("heading", name="Flowers")).to_be_visible()
    page.get_by_label("Name").fill("grace")
    page.get_by_role("button", name="Greet").click()
    expect(page.get_by_label("Greeting")).to_have_value("Hello grace")
    page.get_by_role("button", name="Count").click()
    expect(page.get_by_label("Counter")).to_have_value("count 4")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_label("Size")).to_have_value(f"{SIZE} bytes")


def test_dash(page: Page, opened: Opened, file: Path) -> None:
    opened(programs.DASH)
    expect(page.get_by_role("heading", name="Flowers")).to_be_visible()
    page.get_by_placeholder("Name").fill("grace")
    expect(page.get_by_text("Hello grace")).to_be_visible()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text(f"{SIZE} bytes")).to_be_visible()
    expect(page.get_by_text("count 9")).to_be_visible()


def test_marimo(page: Page, opened: Opened, file: Path) -> None:
    opened(programs.MARIMO)
    expect(page.get_by_role("heading", name="Flowers")).to_be_visible()
    page.get_by_label("Name").fill("grace")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Hello grace, 0 bytes")).to_be_visible()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text(f"Hello grace, {SIZE} bytes")).to_be_visible()


def test_shiny(page: Page, opened: Opened, file: Path) -> None:
    opened(programs.SHINY)
    expect(page.get_by_role("heading", name="Flowers")).to_be_visible()
    page.get_by_label("Name").fill("grace")
    expect(page.get_by_text("Hello grace")).to_be_visible()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text(f"{SIZE} bytes")).to_be_visible()
    expect(page.get_by_text("count 9")).to_be_visible()


def test_voila(page: Page, opened: Opened, file: Path) -> None:
    opened(programs.VOILA)
    expect(page.get_by_role("heading", name="Flowers")).to_be_visible()
    page.get_by_label("Name").fill("grace")
    expect(page.get_by_text("Hello grace")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload").click()
    chosen: FileChooser = chooser.value
    chosen.set_files(file)
    expect(page.get_by_text(f"{SIZE} bytes")).to_be_visible()
    expect(page.get_by_text("count 9")).to_be_visible()


def test_mlflow(page: Page, opened: Opened) -> None:
    here = opened(programs.MLFLOW)
    made = page.evaluate(
        """async (url) => (await fetch(url, {
          method: "POST", headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ name: "flowers" }),
        })).json()""",
        f"{here}/proxy/5000/ajax-api/2.0/mlflow/experiments/create",
    )
    assert made["experiment_id"]
    page.goto(f"{here}/proxy/5000/#/experiments")
    expect(page.get_by_text("flowers").first).to_be_visible()
