"""Cross-origin requests: other sites can make a signed-in browser open a notebook in a tab, and
nothing else.
"""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from keys.models import Token
from sessions.gateway.hosts import origin_of
from sessions.gateway.request import GatewayRequest, is_cross_site

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored

EVIL = ["http://evil.example", "null", "http://bob-x-aaaaaaaa.localhost", "https://", ""]
FETCH = {"Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "script", "Origin": None}


@pytest.fixture
def foreign_origins(browser) -> list[str]:
    sibling = browser.origin.replace("ada", "bob")
    portal = f"http://localhost:{browser.port}"
    other_port = browser.origin.replace(str(browser.port), "1")
    return [*EVIL, sibling, portal, other_port, browser.origin + ".evil.example"]


def test_a_foreign_origin_cannot_open_a_socket(browser, foreign_origins):
    for origin in [*foreign_origins, None]:
        with pytest.raises(InvalidStatus) as refusal:
            browser.socket(headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})
        assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MKCOL"])
def test_a_foreign_origin_cannot_change_anything(browser, foreign_origins, method, notebook):
    notebook.seen.clear()
    for origin in foreign_origins:
        answer = browser.ask("/api/contents/x", method, b"{}", Origin=origin)
        assert answer.status_code == 403
        assert answer.json()["code"] == "gateway.origin"
    assert not notebook.seen
    assert browser.ask("/api/contents/x", method, b"{}").status_code == 200


def test_a_change_of_unknown_origin_is_refused(browser):
    for site in (None, "cross-site", "same-site", "none"):
        assert browser.ask("/x", "POST", Origin=None, Sec_Fetch_Site=site).status_code == 403
    own = browser.ask("/x", "POST", Origin=None, Sec_Fetch_Site="same-origin")
    assert own.status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_embed_or_fetch_from_a_notebook(browser, site):
    for dest in ("script", "image", "iframe", "frame", "embed", "object", "empty", "worker", ""):
        for mode in ("no-cors", "navigate", "cors"):
            fields = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
            assert browser.ask("/files/x.js", Origin=None, **fields).status_code == 403
    assert browser.ask("/files/x", Origin="http://evil.example").status_code == 403
    assert browser.ask("/files/x", "OPTIONS", Origin="http://evil.example").status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "same-origin"])
def test_a_link_from_anywhere_opens_the_notebook_in_a_tab(browser, site):
    assert browser.open_page(Sec_Fetch_Site=site).status_code == 200


def test_the_notebooks_own_page_may_fetch_everything(browser):
    for site in ("same-origin", "none", None):
        assert browser.ask("/static/x.js", **FETCH, Sec_Fetch_Site=site).status_code == 200


def test_a_token_needs_no_origin_but_a_foreign_one_is_refused(ada, browser):
    browser.cookie = ""
    token = f"Bearer {Token.objects.issue(ada, 'test')[1]}"
    for origin, status in ((None, 200), (browser.origin, 200), ("http://evil.example", 403)):
        assert browser.ask("/x", "POST", Authorization=token, Origin=origin).status_code == status


def test_other_sites_may_not_frame_a_notebook_or_its_error_page(browser, project):
    policies = browser.open_page("/headers").headers.get_list("content-security-policy")
    assert policies == ["frame-ancestors 'self'", "sandbox allow-scripts"]
    browser.cookie = ""
    browser.project = "x" * 70
    assert "frame-ancestors 'self'" in browser.open_page().headers["content-security-policy"]


# --- The rule itself, without a server ---
LABEL = "ada-x-aaaaaaaa"
TAB = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FRAME = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
PIECE = {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}
TOKEN = {"authorization": "Bearer bdy_x"}


def foreign(headers: dict[str, str], kind: str = "http", method: str = "GET") -> bool:
    words = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "method": method, "headers": words, "query_string": b""}
    return is_cross_site(GatewayRequest.from_scope({**scope, "raw_path": b"/x"}, LABEL))


def from_site(name: str) -> dict[str, str]:
    return {"sec-fetch-site": name}


def test_the_rule_lets_other_sites_only_open_a_tab():
    for other in (
        from_site("cross-site"),
        from_site("same-site"),
        {"origin": "http://evil.example"},
    ):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert not foreign(other | TAB, method=method)
            for headers in (FRAME, PIECE, {}):
                assert foreign(other | headers, method=method)
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert foreign(other | TAB, method=method)
        assert foreign(other | TAB, "websocket")


def test_the_rule_lets_the_notebooks_own_page_do_everything():
    own = {"origin": origin_of(LABEL)}
    for headers in (own, own | from_site("cross-site"), from_site("same-origin")):
        assert not foreign(headers, method="POST")
        assert not foreign(headers | PIECE)
    assert not foreign(own, "websocket")


def test_the_rule_lets_requests_of_unknown_origin_only_read():
    for headers in ({}, from_site("none")):
        assert not foreign(headers)
        assert foreign(headers, method="POST")
    for headers in ({}, from_site("none"), from_site("same-origin")):
        assert foreign(headers, "websocket")


def test_the_rule_accepts_a_token_in_place_of_an_origin():
    for kind, method in (("http", "GET"), ("http", "POST"), ("websocket", "GET")):
        assert not foreign(TOKEN, kind, method)
        assert foreign(TOKEN | {"origin": "http://evil.example"}, kind, method)
