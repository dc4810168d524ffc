"""Credentials for anything else do not reach a notebook, and nothing that it says reaches
further.
"""

from __future__ import annotations

import pytest

from keys.models import Token
from sessions.gateway.headers import from_notebook, to_notebook
from sessions.gateway.hosts import cookie_name
from sessions.jupyter_gateway import TOKEN_HEADER
from tests.gateway.test_proxying import head, raw

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored


def sent(browser, **more) -> list[list[str]]:
    return browser.ask("/x", **more).json()["headers"]


def test_our_cookies_are_removed_and_the_notebooks_own_are_kept(browser, settings):
    cookies = f"a=1; {cookie_name()}={browser.cookie};{settings.SESSION_COOKIE_NAME}=s; b=2;c"
    assert [value for name, value in sent(browser, Cookie=cookies) if name == "cookie"] == [
        "a=1; b=2;c"
    ]
    nothing_else = {
        name for name, _value in sent(browser, Cookie=f"{cookie_name()}={browser.cookie}")
    }
    assert "cookie" not in nothing_else


def test_headers_after_our_cookie_are_kept():
    headers = [(b"cookie", f"{cookie_name()}=secret".encode()), (b"accept", b"text/html")]
    assert list(to_notebook(headers, "t").items()) == [
        ("accept", "text/html"),
        ("X-Forwarded-Proto", "http"),
        (TOKEN_HEADER, "t"),
        ("Authorization", "token t"),
    ]


def test_an_application_gets_its_own_authorization(browser):
    for own in ("Bearer eyJhbGciOi.x.y", "token labelstudio", "Basic eDp5", "Digest x", "bdy_x"):
        received = sent(browser, Authorization=own)
        assert [value for name, value in received if name == "authorization"] == [own]
        assert dict(received)[TOKEN_HEADER.lower()]


def test_a_token_of_the_portal_does_not_reach_the_notebook(browser, ada):
    token = Token.objects.issue(ada, "test")[1]
    for kind in ("Bearer", "bearer", "token", "Token"):
        received = sent(browser, Cookie=None, Authorization=f"{kind} {token}")
        assert token not in str(received)
        assert dict(received)["authorization"].startswith("token ")
    unknown = browser.ask("/x", Authorization="Bearer bdy_unknown")
    assert (unknown.status_code, unknown.json()["code"]) == (401, "gateway.sign-in")


def test_without_a_cookie_somebody_elses_authorization_opens_nothing(browser):
    browser.cookie = ""
    for other in ("Bearer x", "Basic eDp5", "token x"):
        answer = browser.ask("/x", Authorization=other)
        assert (answer.status_code, answer.json()["code"]) == (401, "gateway.sign-in")


def test_the_servers_token_has_a_header_that_no_visitor_sets(browser):
    received = sent(browser, **{TOKEN_HEADER.replace("-", "_"): "guessed"})
    (own,) = [value for name, value in received if name == TOKEN_HEADER.lower()]
    assert own != "guessed"
    assert ["authorization", f"token {own}"] in received


def test_forwarding_headers_of_the_client_are_removed(browser):
    claims = {
        "X_Forwarded_For": "1.2.3.4",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Proto": "https",
        "Forwarded": "for=1.2.3.4",
        "X_Real_IP": "1.2.3.4",
        "X_Bindery_Secret": "guessed",
        "X_Scheme": "https",
        "Proxy_Authorization": "Basic x",
        "Proxy_Connection": "keep-alive",
    }
    received = dict(sent(browser, **claims))
    ours = {"x-forwarded-host": browser.host, "x-forwarded-proto": "http"}
    claimed = {name.lower().replace("_", "-") for name in claims}
    assert {name: received[name] for name in claimed & received.keys()} == ours
    underscored = to_notebook([(b"x_forwarded_for", b"1.2.3.4"), (b"proxy_x", b"1")], "t")
    assert list(underscored) == ["X-Forwarded-Proto", TOKEN_HEADER, "Authorization"]


def test_the_notebook_receives_the_host_of_the_browser(browser):
    assert ["host", browser.host] in sent(browser, Connection="keep-alive, Host, X-Hop", X_Hop="1")


def test_a_header_in_latin_1_reaches_the_application_in_utf8():
    names = [(b"x-a", b"J\xfcrgen"), (b"x-b", b"J\xc3\xbcrgen")]
    onward = to_notebook(names, "t")
    assert onward["X-A"] == onward["X-B"] == names[1][1].decode()


def test_headers_named_by_connection_are_removed_except_our_token(browser):
    received = dict(sent(browser, Connection="Authorization, Cookie, X-Hop, close", X_Hop="1"))
    assert received["authorization"].startswith("token ")
    assert not {"x-hop", "cookie"} & received.keys()


def test_several_connection_headers_all_apply():
    several = [(b"connection", b"x-a"), (b"connection", b"x-b"), (b"x-a", b"1"), (b"x-b", b"1")]
    assert not {"x-a", "x-b"} & set(to_notebook(several, "t"))
    assert not {b"x-a", b"x-b"} & dict(from_notebook(several)).keys()


def test_conflicting_lengths_do_not_smuggle_a_request(browser, notebook):
    for fields in (
        ["Transfer-Encoding: chunked", "Content-Length: 4"],
        ["Content-Length: 4", "Transfer-Encoding: chunked"],
        ["Content-Length: 4", "Content-Length: 5"],
        ["Content-Length: 4", "Connection: Content-Length, close"],
        ["Transfer-Encoding: chunked", "Transfer_Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked, identity", "Content-Length: 4"],
    ):
        notebook.seen.clear()
        inner = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        raw(browser, head(browser, "POST /outer HTTP/1.1", *fields) + b"0\r\n\r\n" + inner)
        assert "/smuggled" not in notebook.seen, fields


def test_a_second_host_header_is_refused(browser, notebook):
    notebook.seen.clear()
    for other in ("evil.example", browser.host, f"localhost:{browser.port}"):
        assert b" 400 " in raw(browser, head(browser, "GET /x HTTP/1.1", f"Host: {other}"))
    assert not notebook.seen


def test_a_notebook_sets_cookies_for_its_own_host_only(browser):
    cookies = browser.ask("/headers").headers.get_list("set-cookie")
    assert cookies == ["_xsrf=1; Path=/; HttpOnly", "theme=dark"]


@pytest.mark.parametrize(
    "name",
    [
        *("clear-site-data", "strict-transport-security", "alt-svc", "x-hop"),
        *("x-accel-redirect", "x-sendfile"),
    ],
)
def test_headers_that_reach_beyond_the_notebook_are_removed(browser, name):
    assert name not in browser.ask("/headers").headers


def test_other_headers_of_a_notebook_are_kept(browser):
    answer = browser.ask("/headers")
    assert answer.headers["x-kept"] == "1"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert len(answer.headers.get_list("server")) == len(answer.headers.get_list("date")) == 1


@pytest.mark.parametrize(
    ("path", "location", "reached"),
    [
        ("/proxy/8000/", "http://127.0.0.1:8000/x", "/proxy/8000/x"),
        ("/proxy/8000/a", "http://localhost:8000/x?y=1#z", "/proxy/8000/x?y=1#z"),
        ("/proxy/8000/a", "HTTP://0.0.0.0:8000", "/proxy/8000/"),
        ("/proxy/8000/a", "http://[::1]:8000?x", "/proxy/8000/?x"),
        ("/proxy/8000/a", "http://127.1.2.3:9000/", "/proxy/9000/"),
        ("/proxy/8000/a", "http://127.0.0.1:8000/proxy/8000/x", "/proxy/8000/x"),
        ("/proxy/absolute/8000/a", "http://127.0.0.1:8000/x", "/proxy/absolute/8000/x"),
        ("/mlflow/", "http://127.0.0.1:41234/#/", "/proxy/41234/#/"),
        ("/proxy/8000/a", "https://localhost:8000/sign-in", "/proxy/8000/sign-in"),
        ("/proxy/8000/a", "//localhost:8000/x", "/proxy/8000/x"),
        ("/proxy/8000/a", "http://me:secret@localhost:8000/x", "/proxy/8000/x"),
        ("/proxy/8000/a", "http://localhost.:8000/x", "/proxy/8000/x"),
        ("/proxy/8000/a", "http://127.1:8000/x", "/proxy/8000/x"),
        ("/proxy/8000/a", "http://[0:0:0:0:0:0:0:1]:8000/x", "/proxy/8000/x"),
        ("/proxy/8000/a", "http://n.localhost/x", "/proxy/8000/x"),
        ("/proxy/8000/a", "https://n.localhost/proxy/8000/x", "/proxy/8000/x"),
        ("/proxy/8000/a", "//n.localhost/x", "/proxy/8000/x"),
        ("/proxy/8000/a", "http://n.localhost", "/proxy/8000/"),
        ("/proxy/8000/a", "http://n.localhost?x", "/proxy/8000/?x"),
        ("/proxy/8000/a", "http://n.localhost.evil.example/x", None),
        ("/proxy/absolute/8000/a", "http://n.localhost/x", "/x"),
        ("/proxy/8000/a", "/proxy/8000/proxy/8000/x", "/proxy/8000/x"),
        ("/lab", "http://n.localhost/x", None),
        ("/proxy/8000/a", "http://n.localhost:1/x", None),
        ("/proxy/8000/a", "http://127.0.0.1.evil.example/x", None),
        ("/proxy/8000/a", "http://localhost:8000@evil.example/", None),
        ("/proxy/8000/a", "https://example.org/?to=http://127.0.0.1:8000/", None),
        ("/proxy/8000/a", "https://example.org/?to=me@127.0.0.1:8000/", None),
        ("/proxy/8000/a", "http://127.1.evil.example/x", None),
        ("/proxy/8000/a", "/x", None),
        ("/proxy/8000/a", "x", None),
        ("/proxy/8000/a", "//example.org/x", None),
    ],
)
def test_redirects_to_the_inside_lead_to_the_application(path, location, reached):
    answer = from_notebook([(b"Location", location.encode())], path, "n.localhost")
    assert dict(answer)[b"location"].decode() == (reached or location)


@pytest.mark.parametrize(
    ("refresh", "reached"),
    [
        ("0; url=http://127.0.0.1:8000/x", "0; url=/proxy/8000/x"),
        ("5;URL='http://localhost:8000/x'", "5;URL='/proxy/8000/x'"),
        ("0, //0.0.0.0:8000", "0, /proxy/8000/"),
        ("30", "30"),
        ("0; url=https://example.org/?a=b;c", "0; url=https://example.org/?a=b;c"),
    ],
)
def test_a_redirect_after_some_seconds_leads_to_the_application_too(refresh, reached):
    sent = [(b"Refresh", refresh.encode())]
    assert (b"refresh", reached.encode()) in from_notebook(sent, "/proxy/8000/a", "n.localhost")


def test_a_notebooks_own_referrer_policy_is_kept():
    answer = from_notebook([(b"Referrer-Policy", b"no-referrer")])
    assert [value for name, value in answer if name == b"referrer-policy"] == [b"no-referrer"]
