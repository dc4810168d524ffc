"""Cookies that a notebook's page sets for all hosts around it, and cookies that it reads."""

from __future__ import annotations

from tests.attacks.browser.visit import KIND, InBrowser, Visit

PLANT = "document.cookie = '{cookie}={mallory_session}; domain=localhost; path=PATH'"
FILL = (
    "for (let n = 0; n < 38; n++)"
    " document.cookie = `c${n}=${'x'.repeat(3900)}; domain=localhost; path=/`"
)


def _planted(visit: Visit, script: str) -> None:
    visit.stranger(f"<script>{script}</script>", visit.notebook)


def _signs_in_as_another(visit: Visit) -> str:
    """Plant a cookie with mallory's session for all hosts below localhost."""
    for path in ("/", "/account"):
        _planted(visit, PLANT.replace("PATH", path))
    page = visit.portal("/account/")
    return "mallory" if "mallory" in page.content() else ""


def _shuts_out(visit: Visit) -> str:
    """Plant cookies for the portal; return its page if the visitor is still shut out on the second
    visit. The first may end at a page that says what has happened.
    """
    _planted(visit, FILL)
    visit.portal("/").close()
    page = visit.portal("/")
    return "" if "<form" in page.content() else page.content()[:200]


def _reads(visit: Visit) -> str:
    here = str(visit.stranger(origin=visit.notebook).evaluate("document.cookie"))
    own = str(visit.portal("/").evaluate("document.cookie"))
    secret = visit.world.sessions["alice"]
    return secret[:4] if secret in here + own else ""


def _after_sign_out(visit: Visit) -> str:
    page = visit.portal("/projects/{alice_project}/")
    page.goto(visit.world.filled("{url}/"))
    page.goto(visit.world.filled("{url}/no-such-page/"))
    visit.context.clear_cookies()
    page.go_back()
    page.wait_for_load_state("load")
    shown = page.content()
    return "the list of projects" if visit.world.words["alice_project"] in shown else ""


def _is_signed_in(visit: Visit) -> str:
    return "alice" if "alice" in visit.portal("/account/").inner_text("body") else ""


ATTEMPTS = (
    InBrowser(KIND, "a notebook signs one in as somebody else", _signs_in_as_another),
    InBrowser(
        KIND, "a notebook signs a stranger in as somebody else", _signs_in_as_another, signed_in=""
    ),
    InBrowser(KIND, "a notebook shuts one out of the portal by cookies", _shuts_out),
    InBrowser(KIND, "a script reads the portal's cookie", _reads),
    InBrowser(KIND, "pages are read after signing out", _after_sign_out),
    InBrowser(KIND, "somebody is signed in", _is_signed_in, control=True),
)
