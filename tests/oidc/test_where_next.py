"""``next`` leads to this portal's own pages, whatever stands in it."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin

import pytest
from django.test import Client

from tests.oidc.conftest import Arrive, come_back, leave
from tests.oidc.hostile import Hostile

FOREIGN = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "////evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http:///evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x00//evil.example",
    "\x1f//evil.example",
    "https://testserver@evil.example/",
    "https://testserver:x@evil.example/",
    "//testserver@evil.example/",
    "https://testserver.evil.example/",
    "https://evil.example\\@testserver/",
    "https://evil.example#@testserver/",
    "https://[::1/",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "ftp://testserver/",
    "／／evil.example/",
    "//evil。example/",
    "〱evil.example",
    "/\u2028/evil.example",
    "/account/\r\nSet-Cookie: a=b",
    "%2F%2Fevil.example",
    "//%65vil.example",
    "x" * 5000,
]


def stays(address: str) -> bool:
    """As a browser reads it: it takes tabs and line ends away, and a \\ is a / for it."""
    read = re.sub(r"[\t\r\n]", "", address.strip("".join(map(chr, range(33))))).replace("\\", "/")
    return urljoin("http://testserver/sign-in/", read).startswith("http://testserver/")


@pytest.fixture(params=FOREIGN, ids=lambda where: ascii(where)[:40])
def foreign(request) -> str:
    where: str = request.param
    return where


def test_after_a_sign_in_by_a_provider(foreign, hostile: Hostile, arrive: Arrive):
    assert stays(arrive(Client(), next=foreign).headers["Location"])


def test_for_whoever_is_signed_in_already(foreign, hostile: Hostile, arrive: Arrive):
    client = Client()
    arrive(client)
    for path in ("/sign-in/", "/oidc/evil/sign-in/"):
        answer = client.get(path, {"next": foreign})
        where = answer.headers.get("Location", "/")
        assert stays(where) or where.startswith(f"{hostile.issuer}/")


def test_on_the_links_of_the_sign_in_page(foreign, hostile: Hostile):
    page = Client().get("/sign-in/", {"next": foreign}).content.decode()
    links = [unescape(link) for link in re.findall(r'(?:href|action|src)="([^"]*)"', page)]
    assert [link for link in links if not stays(link)] == []


@pytest.mark.parametrize("where", ["post", "query"])
def test_after_a_sign_in_by_password(foreign, where, ada):
    form = {"username": "ada", "password": "ada's password"}
    if where == "post":
        answer = Client().post("/sign-in/", {**form, "next": foreign})
    else:
        answer = Client().post("/sign-in/", form, query_params={"next": foreign})
    assert stays(answer.headers["Location"])


@pytest.mark.parametrize("where", ["post", "query"])
def test_after_a_sign_out(foreign, where, as_ada):
    if where == "post":
        answer = as_ada.post("/sign-out/", {"next": foreign})
    else:
        answer = as_ada.post("/sign-out/", query_params={"next": foreign})
    assert stays(answer.headers["Location"])


@pytest.mark.parametrize("own", ["/account/", "/projects/a/?b=c#d", "/launch/?q=%2F%2Fx"])
def test_a_page_of_ours_is_where_one_wanted_to_go(own, hostile: Hostile, arrive: Arrive):
    assert arrive(Client(), next=own).headers["Location"] == own


def test_it_is_remembered_for_each_sign_in_that_is_under_way(hostile: Hostile):
    client = Client()
    first = hostile.agree(leave(client, next="/account/"))
    second = hostile.agree(leave(client))
    assert come_back(client, code=first[0], state=first[1]).headers["Location"] == "/account/"
    assert come_back(client, code=second[0], state=second[1]).status_code == 302
