"""``next`` leads only to this portal's own pages, whatever it contains."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import quote, urljoin

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory

from portal.accounts.oidc.flow import safe_next
from portal.pages.responses import return_address
from portal.pages.sign_in import SignInView, SignOutView
from tests.conftest import signed_in
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
SOME_FOREIGN = ["//evil.example/", "javascript:alert(1)", "/account/\r\nSet-Cookie: a=b"]
OWN = ["/account/", "/projects/a/?b=c#d", "/launch/?q=%2F%2Fx"]


def stays(address: str) -> bool:
    r"""Return whether the address stays here, as a browser reads it: tabs and line ends go, and
    a \ counts as a /.
    """
    read = re.sub(r"[\t\r\n]", "", address.strip("".join(map(chr, range(33))))).replace("\\", "/")
    return urljoin("http://testserver/sign-in/", read).startswith("http://testserver/")


def by_view(view: type[SignInView | SignOutView], request: HttpRequest) -> str:
    asked = view()
    asked.setup(request)
    return asked.get_redirect_url()


ASK = RequestFactory()
RULES: dict[str, Callable[[str], str]] = {
    "for a provider": lambda where: safe_next(ASK.get("/"), where),
    "after a form": lambda where: return_address(ASK.post("/", {"next": where})),
    "sign in, query": lambda where: by_view(SignInView, ASK.get("/", {"next": where})),
    "sign in, form": lambda where: by_view(SignInView, ASK.post("/", {"next": where})),
    "sign out, query": lambda where: by_view(SignOutView, ASK.get("/", {"next": where})),
    "sign out, form": lambda where: by_view(SignOutView, ASK.post("/", {"next": where})),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_safe_next_accepts_only_our_own_addresses(rule):
    assert [where for where in FOREIGN if not stays(rule(where))] == []
    assert [rule(where) for where in OWN] == OWN


def test_https_page_never_leads_to_http():
    request = ASK.get("/", secure=True)
    assert safe_next(request, "http://testserver/account/") == ""
    assert safe_next(request, "https://testserver/account/") == "https://testserver/account/"


def keep_to(door: Callable[[str], str]) -> None:
    """Assert that a page of the portal follows the rule; ``door`` returns where a given ``next``
    leads.
    """
    for foreign in SOME_FOREIGN:
        assert stays(door(foreign)), foreign
    assert door(OWN[-1]) == OWN[-1]


def test_next_stays_here_after_a_provider_sign_in(hostile: Hostile, arrive: Arrive):
    keep_to(lambda where: arrive(Client(), next=where).headers["Location"])


@pytest.mark.parametrize("path", ["/sign-in/", "/oidc/evil/sign-in/"])
def test_next_stays_here_for_people_already_signed_in(path, hostile: Hostile, arrive: Arrive):
    client = Client()
    arrive(client)
    keep_to(lambda where: client.get(path, {"next": where}).headers["Location"])


def test_links_of_the_sign_in_page_stay_here(hostile: Hostile):
    for foreign in SOME_FOREIGN:
        page = sign_in_page(foreign)
        assert [link for link in links(page) if not stays(link)] == []
        assert "evil.example" not in page and "javascript:" not in page
    assert f"/oidc/evil/sign-in/?next={quote(OWN[-1], safe='')}" in links(sign_in_page(OWN[-1]))


def sign_in_page(then: str) -> str:
    return Client().get("/sign-in/", {"next": then}).content.decode()


def links(page: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'(?:href|action|src)="([^"]*)"', page)]


@pytest.mark.parametrize("where", ["post", "query"])
def test_next_stays_here_after_a_password_sign_in(where, ada):
    form = {"username": "ada", "password": "ada's password"}
    keep_to(lambda then: posted(Client(), "/sign-in/", form, {"next": then}, where))


@pytest.mark.parametrize("where", ["post", "query"])
def test_next_stays_here_after_signing_out(where, ada):
    keep_to(lambda then: posted(signed_in(ada), "/sign-out/", {}, {"next": then}, where))


def posted(
    client: Client, path: str, form: dict[str, str], then: dict[str, str], where: str
) -> str:
    if where == "post":
        answer = client.post(path, {**form, **then})
    else:
        answer = client.post(path, form, query_params=then)
    return answer.headers["Location"]


def test_next_is_remembered_for_each_pending_sign_in(hostile: Hostile):
    client = Client()
    first = hostile.agree(leave(client, next="/account/"))
    second = hostile.agree(leave(client))
    assert come_back(client, code=first[0], state=first[1]).headers["Location"] == "/account/"
    assert come_back(client, code=second[0], state=second[1]).status_code == 302
