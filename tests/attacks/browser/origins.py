"""Pages of other origins: what they may frame, read, send to and open of the portal."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Error

from tests.attacks.browser.visit import EVIL, KIND, Act, InBrowser, Visit

Origin = Callable[[Visit], str]
COUNT = "select count(*) from notebook_sessions_project where removed is null"
NOTEBOOK = "http://{alice_project}.localhost:{port}"
SOCKET = "ws://localhost:{port}/ws/projects/{alice_project}/"
FETCH = """async ([target, options]) => {
    try { const answer = await fetch(target, {credentials: "include", ...options});
          return answer.type == "opaque" ? "" : `${answer.status} ${await answer.text()}`; }
    catch (error) { return ""; } }"""
CONNECT = """target => new Promise(done => {
    const socket = new WebSocket(target);
    socket.onopen = () => done("opened");
    socket.onerror = socket.onclose = () => done(""); })"""
LOOK_INTO = """async url => { const other = window.open(url);
    await new Promise(done => setTimeout(done, 1000));
    try { return other.document.body.innerText; } catch (error) { return ""; } }"""
SEND_FORM = """
    const form = document.createElement("form");
    form.method = "post"; form.action = "{url}/launch/"; form.enctype = "KIND";
    form.innerHTML = "<input name=repository value='{plain}'>";
    document.body.append(form); form.submit();
    await new Promise(done => setTimeout(done, 1000));
"""
SEND = """
    await fetch("{url}PATH", {method: "POST", mode: "no-cors", credentials: "include",
        headers: {"Content-Type": "KIND"}, body: 'BODY'});
"""
OPEN_BY_LINK = """() => { const link = document.createElement("a");
    link.href = location.pathname + "open/"; link.target = "_blank";
    document.body.append(link); link.click(); }"""


def _site(visit: Visit) -> str:
    return EVIL


def _notebook(visit: Visit) -> str:
    return visit.notebook


def _frames(origin: Origin, target: str) -> Act:
    def act(visit: Visit) -> str:
        page = visit.stranger(f"<iframe src='{target}'></iframe>", origin(visit))
        page.wait_for_load_state("networkidle")
        inner = [each for each in page.frames if each != page.main_frame]
        texts = [each.content() for each in inner if not each.url.startswith("chrome-error")]
        return next((text[:200] for text in texts if "<form" in text or "Jupyter" in text), "")

    return act


def _reads(origin: Origin, target: str, **options: str) -> Act:
    """Read an answer by a script that fetches with the visitor's cookies."""

    def act(visit: Visit) -> str:
        page = visit.stranger(origin=origin(visit))
        return str(page.evaluate(FETCH, [visit.world.filled(target), options]))[:200]

    return act


def _changes(origin: Origin, script: str) -> Act:
    """Have the visitor's browser write, by a script: whether the list of projects has changed."""

    def act(visit: Visit) -> str:
        before = visit.world.row(COUNT)
        page = visit.stranger(origin=origin(visit))
        tried = f"async () => {{ try {{ {visit.world.filled(script)} }} catch (error) {{}} }}"
        try:
            page.evaluate(tried)
        except Error:  # the page has gone on, by its own form
            page.wait_for_load_state("load")
        visit.portal("/health")
        after = visit.world.row(COUNT)
        return f"{before} → {after} projects" if before != after else ""

    return act


def _connects(origin: Origin, target: str) -> Act:
    def act(visit: Visit) -> str:
        page = visit.stranger(origin=origin(visit))
        return str(page.evaluate(CONNECT, visit.world.filled(target)))

    return act


def _looks_into(origin: Origin) -> Act:
    def act(visit: Visit) -> str:
        page = visit.stranger(origin=origin(visit))
        return str(page.evaluate(LOOK_INTO, visit.world.stack.url) or "")[:200]

    return act


def _opener(visit: Visit) -> str:
    """Return what a notebook's page can do to the page of the portal that opened it."""
    page = visit.portal("/projects/{alice_project}/")
    with visit.context.expect_page() as opened:
        page.evaluate(OPEN_BY_LINK)
    opened.value.wait_for_load_state("domcontentloaded")
    return str(opened.value.evaluate("() => window.opener ? 'the portal is its opener' : ''"))


def _is_reached(visit: Visit) -> str:
    """Return whether another site's pages can send requests to the portal at all, answers aside."""
    page = visit.stranger()
    script = "url => fetch(url, {mode: 'no-cors'}).then(answer => answer.type).catch(() => '')"
    return str(page.evaluate(script, visit.world.filled("{url}/health")))


def _sent(path: str, kind: str, body: str) -> str:
    return SEND.replace("PATH", path).replace("KIND", kind).replace("BODY", body)


URLENCODED = "application/x-www-form-urlencoded"
JSON = '{"repository": "{plain}"}'
FRAMES = {
    "another site frames the portal": (_site, "{url}/", "alice"),
    "another site frames the sign-in page": (_site, "{url}/sign-in/", ""),
    "another site frames the admin": (_site, "{url}/admin/", "root"),
    "another site frames a notebook": (_site, f"{NOTEBOOK}/lab", "alice"),
    "a notebook frames the portal": (_notebook, "{url}/", "alice"),
    "a notebook frames the account page": (_notebook, "{url}/account/", "alice"),
}
READS = {
    "another site reads who one is": (_site, "{url}/api/v1/me/", "alice"),
    "a notebook reads who one is": (_notebook, "{url}/api/v1/me/", "alice"),
    "a notebook reads the account page": (_notebook, "{url}/account/", "alice"),
    "a notebook reads a superuser's admin": (_notebook, "{url}/admin/portal/user/", "root"),
    "a notebook reads another notebook": (_notebook, f"{NOTEBOOK}/api/contents", "alice"),
}
CHANGES = {
    "another site launches by a form": (_site, SEND_FORM.replace("KIND", URLENCODED)),
    "a notebook launches by a form": (_notebook, SEND_FORM.replace("KIND", URLENCODED)),
    "a notebook launches by a form of plain text": (
        _notebook, SEND_FORM.replace("KIND", "text/plain")),
    "a notebook launches by the API": (_notebook, _sent("/api/v1/projects/", "text/plain", JSON)),
    "another site launches by the API": (_site, _sent("/api/v1/projects/", "text/plain", JSON)),
    "a notebook deletes a project": (
        _notebook, _sent("/projects/{alice_project}/delete-for-good/", URLENCODED, "a=b")),
}  # fmt: skip
SOCKETS = {
    "another site opens a socket of the portal": (_site, SOCKET),
    "a notebook opens a socket of the portal": (_notebook, SOCKET),
    "a notebook opens a socket of another notebook": (
        _notebook, "ws://{alice_project}.localhost:{port}/api/events/subscribe"),
}  # fmt: skip
LONG = frozenset(
    {
        "a notebook frames the portal",
        "a notebook launches by a form of plain text",
        "a notebook reads the account page",
        "a notebook reads who one is",
        "another site frames the admin",
        "another site frames the sign-in page",
        "another site launches by a form",
        "another site launches by the API",
        "another site opens a socket of the portal",
    }
)
"""Similar to others, and too slow for the quick checks."""
ATTEMPTS = (
    *(
        InBrowser(KIND, name, _frames(origin, target), signed_in=who, long=name in LONG)
        for name, (origin, target, who) in FRAMES.items()
    ),
    *(
        InBrowser(KIND, name, _reads(origin, target), signed_in=who, long=name in LONG)
        for name, (origin, target, who) in READS.items()
    ),
    InBrowser(
        KIND,
        "a notebook writes into another notebook",
        _reads(_notebook, f"{NOTEBOOK}/api/contents/x", method="POST", body="{}"),
    ),
    *(
        InBrowser(KIND, name, _changes(origin, act), long=name in LONG)
        for name, (origin, act) in CHANGES.items()
    ),
    *(
        InBrowser(KIND, name, _connects(origin, to), long=name in LONG)
        for name, (origin, to) in SOCKETS.items()
    ),
    InBrowser(KIND, "another site looks into a window of the portal", _looks_into(_site)),
    InBrowser(KIND, "a notebook looks into a window of the portal", _looks_into(_notebook)),
    InBrowser(KIND, "a notebook leads away the page that opened it", _opener),
    InBrowser(KIND, "another site reaches the portal", _is_reached, control=True),
)
