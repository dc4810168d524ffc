"""nginx in front: it serves plain content past web to those who may have it, and passes everything
else to web.

A meaningless header tells the two ways apart, since nginx passes on only those that it knows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from keys.models import Token
from sessions.gateway import tickets
from sessions.lifecycle import stop
from sessions.models import Session
from tests import nginx
from tests.backends.waiting import until
from tests.gateway import wire
from tests.gateway.conftest import Browser, make_project
from tests.gateway.test_proxying import head, raw
from tests.gateway.test_scopes import bearer
from tests.gateway.test_statuses import (
    PAST,
    STATUSES,
    WAYS,
    answering,
    asked,
    assert_refused,
)
from tests.gateway.wire import UPGRADE
from tests.gateway.wire import head as head_of
from tests.logs import written

SECRET = "0123456789abcdef" * 4
CONTENT = "/static/lab/main.js?v=1"
SOON = 5.0

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.one_database,  # about what is sent, not what is stored
]


@pytest.fixture
def web(port, settings) -> int:
    settings.PORTAL_NGINX_SECRET = SECRET
    return port


@pytest.fixture
def silence() -> str:
    """Return how long nginx waits for an answer; a test may set less."""
    return "1h"


@pytest.fixture
def front(web, settings, silence) -> Iterator[int]:
    with nginx.running(web, "localhost", SECRET, silence=silence) as front:
        settings.PORTAL_GATEWAY_DOMAIN = f"localhost:{front}"
        settings.PORTAL_URL = f"http://localhost:{front}"
        yield front


@pytest.fixture
def project(front, ada, notebook):
    return make_project(ada, "ada-flowers-aaaaaaaa", notebook.address)


def sent(answer: httpx.Response) -> dict[str, Any]:
    """Return the request that the notebook got, with its headers by name."""
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen | {"headers": dict(seen["headers"])}


def passes_web(browser: Browser, path: str = CONTENT, **more: Any) -> bool:
    return "x-way" not in sent(browser.ask(path, X_Way="1", **more))["headers"]


def test_nginx_serves_content_with_the_notebooks_token_and_cookies(browser, ada, project, settings):
    token = Session.objects.get(project=project).server_token
    cookies = f"a=1; {settings.SESSION_COOKIE_NAME}-notebook={browser.cookie}; _xsrf=2"
    browser.ask(CONTENT, "HEAD").raise_for_status()
    for more in ({"Cookie": cookies}, bearer(ada, "notebook") | {"Cookie": "a=1; _xsrf=2"}):
        seen = sent(browser.ask(CONTENT, X_Way="1", Range="bytes=0-9", **more))
        assert (seen["method"], seen["target"]) == ("GET", CONTENT)
        assert seen["headers"]["host"] == browser.host
        assert seen["headers"]["range"] == "bytes=0-9"
        assert seen["headers"]["authorization"] == f"token {token}"
        assert seen["headers"]["cookie"] == "a=1; _xsrf=2"
        assert "x-way" not in seen["headers"]


def test_a_token_in_the_query_of_content_does_not_reach_the_notebook(browser, ada):
    secret = Token.objects.issue(ada, "test")[1]
    for query in (f"v=1&token={secret}", f"%74oken={secret}&v=1", f"token=%62{secret[1:]}&v=1"):
        for cookie in (browser.headers({})["Cookie"], None):
            seen = sent(browser.ask(f"/static/lab/main.js?{query}", Cookie=cookie))
            assert seen["target"] == CONTENT


def test_no_log_holds_a_token_of_the_query(web, settings, ada, notebook, tmp_path):
    secrets = [Token.objects.issue(ada, "test")[1]]
    with (
        written() as log,
        nginx.running(web, "localhost", SECRET, folder=tmp_path) as front,
    ):
        settings.PORTAL_GATEWAY_DOMAIN = f"localhost:{front}"
        project = make_project(ada, "ada-flowers-aaaaaaaa", notebook.address)
        browser = Browser(front, project.name)
        secrets.append(tickets.issue_notebook_token(project, Token.objects.get()))
        for secret in secrets:
            for path in ("/static/lab/main.js?v=1&", "/api/kernels?", "/lab?reset&"):
                for spelling in ("token", "%74oken"):
                    address = f"{path}{spelling}={secret}"
                    browser.ask(address, Cookie=None, Origin=None)
                    browser.open_page(address)
                    browser.ask(address, Cookie=None, Referer=f"http://{browser.host}{address}")
                    browser.ask(address, Host="nobody.localhost", Cookie=None)
            with browser.socket(f"/socket?token={secret}", headers={"Cookie": None}) as socket:
                socket.send("hello")
                assert socket.recv(SOON) == "hello"
            to_https = httpx.HTTPTransport(uds=str(tmp_path / "redirecting"))
            with httpx.Client(transport=to_https) as plain:
                address = f"http://{browser.host}/lab?token={secret}"
                assert plain.get(address).status_code == 301
        Session.objects.update(address="unix:/nowhere")
        # web remembers for a moment where the notebook is
        ways = [f"/static/lab/main.js?token={secret}" for secret in secrets]
        asks: dict[str, Any] = {"Cookie": None, "Origin": None}
        until(lambda: all(browser.ask(way, **asks).status_code == 503 for way in ways), SOON)
    files = {name: (tmp_path / name).read_text() for name in ("access.log", "default.log", "log")}
    assert '"GET /static/lab/main.js HTTP/1.1" 200' in files["access.log"]
    assert '"GET /lab HTTP/1.1" 301' in files["access.log"]
    for name, text in {**files, "the log of web": log.getvalue()}.items():
        assert not [secret for secret in secrets if secret in text], name


@pytest.mark.parametrize(
    "target",
    [
        "/api/contents/static/x",
        "/static/a%2F..%2fb",
        "/static/../api/contents/x",
        "/api/..%2f/static/%2e%2e/x",
        "/x/%2e%2e/static/y",
        "//static/x",
        "/static//x",
        "/static/@evil.example:1/x?",
        "/lab/api/workspaces/x",
    ],
)
def test_other_paths_reach_web_byte_for_byte(browser, target):
    answer = raw(browser, head(browser, f"GET {target} HTTP/1.1", "X-Way: 1"))
    seen = json.loads(answer.partition(b"\r\n\r\n")[2].strip(b"0123456789abcdef\r\n"))
    assert seen["target"] == target.removesuffix("?")
    assert ["x-way", "1"] in seen["headers"]


def test_requests_other_than_a_plain_get_reach_web(browser):
    assert passes_web(browser)
    for method, content, more in (
        ("POST", None, {}),
        ("GET", b"body", {}),
        ("GET", iter([b"body"]), {}),
        ("GET", None, {"Connection": "X-Hop"}),
        ("GET", None, {"Connection": "Upgrade", "Upgrade": "h2c"}),
    ):
        assert not passes_web(browser, method=method, content=content, **more), (method, more)


def test_sockets_and_large_bodies_pass_through(browser):
    with browser.socket() as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
    assert sent(browser.ask("/api/contents/x", "PUT", b"x" * 3_000_000))["size"] == 3_000_000


def test_the_portals_own_pages_come_from_web(browser):
    page = browser.ask("/", Host="localhost", Cookie=None, Origin=None)
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_content_just_served_to_the_owner_is_not_served_to_others(
    browser, project, notebook, ada, bob
):
    others = make_project(bob, "bob-flowers-aaaaaaaa", notebook.address)
    elsewhere = replace(browser, project=others.name)
    for who, more, status in (
        (replace(browser, cookie=""), {}, 401),
        (browser, {"Cookie": "a=b"}, 401),
        (browser, bearer(bob, "notebook"), 404),
        (browser, bearer(ada, "read"), 403),
        (elsewhere, {}, 401),
        (elsewhere, {"Origin": None}, 401),
        (browser, {"Origin": elsewhere.origin}, 403),
        (browser, {"Origin": None, "Sec-Fetch-Site": "cross-site"}, 403),
        (browser, {"Origin": None, "Sec-Fetch-Site": "same-site"}, 403),
    ):
        assert passes_web(browser)
        assert passes_web(browser, Origin=None)
        notebook.seen.clear()
        answer = who.ask(CONTENT, **more)
        assert answer.status_code == status, (more, answer.text)
        assert answer.json()["code"]
        assert not notebook.seen


def test_web_answers_for_an_unreachable_notebook(browser, project, ada):
    assert passes_web(browser)
    Session.objects.filter(project=project).update(address="unix:/nowhere")
    answer = until(lambda: (say := browser.ask(CONTENT)).status_code == 503 and say, SOON)
    assert answer.json()["code"] == "gateway.no-answer"
    stop(project, ada)
    code = "gateway.not-running"
    until(lambda: browser.ask(CONTENT).json()["code"] == code, SOON)


@pytest.mark.parametrize("path", ["/app", CONTENT])
@pytest.mark.parametrize(("size", "expected"), [(32_000, 200), (40_000, 502)])
def test_large_headers_of_a_notebook_have_the_same_bound_as_without_nginx(
    browser, path, size, expected
):
    """Web sends its own refusal, which says what is wrong."""
    two = b"".join(b"X-%d: %s\r\n" % (number, b"x" * size) for number in (1, 2))
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + two + b"\r\n"
    with wire.notebook(lambda connection, _received: connection.sendall(response)) as address:
        Session.objects.update(address=address)
        answer = until(lambda: (say := browser.ask(path)).status_code != 503 and say, SOON)
    assert answer.status_code == expected
    assert expected == 200 or answer.json()["code"] == "gateway.bad-answer"


def test_headers_that_reach_beyond_the_notebook_are_removed(browser):
    headers = browser.ask("/static/headers").headers
    beyond = {"clear-site-data", "alt-svc", "x-sendfile"}
    assert not headers.keys() & (beyond | {"set-cookie", "x-accel-redirect", "x-bindery-upstream"})
    assert headers["strict-transport-security"] == "max-age=31536000"  # ours
    assert headers["x-kept"] == "1"
    policies = headers.get_list("content-security-policy")
    assert sorted(policies) == ["frame-ancestors 'self'", "sandbox allow-scripts"]
    assert headers["referrer-policy"] == "same-origin"
    by_web = browser.ask("/headers")
    assert (by_web.status_code, by_web.text) == (200, "ok")  # nginx was not led elsewhere


def test_forwarding_headers_and_secrets_do_not_reach_a_notebook(browser):
    claims = ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "X-Bindery-Cookie"]
    claims += ["X-Bindery-Secret", "X-Bindery-Upstream", "X-Bindery-Authorization", "Proxy-X"]
    given = dict.fromkeys(claims, "http://evil.example")
    seen = sent(browser.ask(CONTENT, **given))["headers"]
    assert not {name.lower() for name in claims} & seen.keys()
    assert "evil" not in str(seen)
    by_web = sent(browser.ask("/x", **given))["headers"]
    assert {name for name in by_web if name.startswith("x-")} <= {
        "x-bindery-cookie",  # of no meaning to anybody but nginx, from web
        "x-bindery-upstream",
        "x-bindery-authorization",
        *("x-bindery-token", "x-forwarded-host", "x-forwarded-proto"),  # the gateway's own
    }
    assert "evil" not in by_web["x-forwarded-host"]


def test_only_nginx_may_ask_for_the_address_of_a_notebook(browser, web, notebook, settings):
    notebook.seen.clear()
    for secret in (SECRET, "", "wrong"):
        assert browser.ask("/_bindery/allowed", X_Bindery_Secret=secret).status_code == 404
    past_nginx = replace(browser, port=web)
    own = {"Host": browser.host, "Origin": browser.origin}

    def ask(**more: Any) -> httpx.Response:
        return past_nginx.ask("/_bindery/allowed", **own | more)

    for more in ({}, {"X_Bindery_Secret": ""}, {"X_Bindery_Secret": SECRET[1:]}):
        answer = ask(**more)
        assert (answer.status_code, answer.json()["code"]) == (404, "gateway.not-found")
    assert ask(X_Bindery_Secret=SECRET, Cookie=None).status_code == 403
    told = ask(X_Bindery_Secret=SECRET)
    assert (told.status_code, told.headers["x-accel-expires"]) == (204, "1")
    assert told.headers["x-bindery-upstream"] == f"http://{notebook.address}:"
    settings.PORTAL_NGINX_SECRET = ""
    for secret in (SECRET, ""):
        assert ask(X_Bindery_Secret=secret).status_code == 404
    assert not notebook.seen


def test_with_no_secret_or_a_wrong_one_web_serves_everything(browser, settings):
    for secret in ("", SECRET[::-1]):
        settings.PORTAL_NGINX_SECRET = secret
        until(lambda: not passes_web(browser), SOON)


def test_revoked_access_ends_within_seconds_under_load(browser, ada):
    """Also while an answer of web's is being renewed, when others ask by the one before."""
    with ThreadPoolExecutor(8) as pool:

        def ask(_number: int) -> int:
            return browser.ask(CONTENT).status_code

        assert set(pool.map(ask, range(50))) == {200}
        tickets.revoke_user(ada)
        ended = time.monotonic()
        until(lambda: 200 not in set(pool.map(ask, range(16))), SOON)
        assert time.monotonic() - ended < SOON
        assert set(pool.map(ask, range(100))) == {401}


@pytest.mark.parametrize("start", STATUSES)
def test_no_response_of_a_notebook_opens_a_tunnel(browser, start):
    with answering(start):
        for fields in WAYS:
            answer = wire.ask(browser.port, asked(browser, *fields) + PAST, within=10)
            assert_refused(answer, is_handshake=start == STATUSES[0] and fields == UPGRADE)


@pytest.mark.parametrize("fields", [(), UPGRADE], ids=["request", "upgrade"])
@pytest.mark.parametrize("lines", [1, 4], ids=["more than nginx takes", "more than web takes"])
def test_cookies_over_the_limit_are_cleared_by_nginx_and_by_web(browser, fields, lines):
    each = "Cookie: " + "; ".join(f"planted{number}={'x' * 4000}" for number in range(38 // lines))
    request = head_of("localhost", *[each] * lines, *fields)
    answer = wire.ask(browser.port, request, within=SOON, enough=b"under privacy")
    headers, _empty, page = answer.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 431 ")
    assert b'\r\nclear-site-data: "cookies"' in headers.lower()
    assert b"delete the cookies" in page


def test_a_large_head_within_the_limit_passes_through(browser):
    own = [f"{name}: {value}" for name, value in browser.headers({}).items() if name != "Host"]
    more = ["X-Long: " + "x" * 30_000, "X-Longer: " + "x" * 20_000, "Connection: close"]
    answer = wire.ask(browser.port, head_of(browser.host, *own, *more), within=20)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(("size", "status"), [(60_000, 200), (70_000, 502)])
def test_a_header_of_a_response_over_the_bound_is_refused(browser, size, status):
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: " + b"x" * size + b"\r\n\r\n"
    with wire.notebook(lambda connection, _received: connection.sendall(response)) as address:
        Session.objects.update(address=address)
        assert browser.ask("/x").status_code == status


@pytest.mark.parametrize("silence", ["1s"])
def test_a_notebook_that_is_silent_for_longer_than_nginx_waits_is_504(browser):
    assert browser.ask("/late").status_code == 200
    assert browser.ask("/never").status_code == 504


def test_a_message_of_many_megabytes_passes_through(browser):
    with browser.socket() as socket:
        socket.send(b"x" * 30_000_000)
        assert len(socket.recv(20)) == 30_000_000


def test_an_oversized_body_for_the_portal_is_refused_before_it_arrives(browser):
    request = head_of(
        "localhost", f"Content-Length: {300 * 1024**2}", line="POST /nothing/here/ HTTP/1.1"
    )
    answer = wire.ask(browser.port, request + b"x" * 2_000_000, within=SOON + 5)
    assert answer.startswith(b"HTTP/1.1 413 ")
