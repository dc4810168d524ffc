"""Requests that another site's page makes a signed-in browser send, and sockets that it opens."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attacks.network.heads import SOCKET
from tests.attacks.wire import AWAY, OK, PORTAL, REFUSED, Request

KIND = "forged requests"
NOTEBOOK = "{hostile}"
ORIGINS = {
    "another site": "http://evil.example",
    "a notebook": "http://{hostile}",
    "nowhere": "null",
    "a host below the portal's": "http://evil.localhost:{port}",
    "a host that ends like the portal's": "http://evil-localhost:{port}",
    "the portal by another port": "http://localhost:1",
    "the portal by https": "https://localhost:{port}",
    "the portal with a dot behind it": "http://localhost.:{port}",
}
FORMS = (
    "/launch/", "/account/tokens/", "/account/tokens/revoke/", "/account/sign-out-everywhere/",
    "/account/ssh-key/make/", "/account/ssh-key/replace/", "/account/ask/", "/going/keep/",
    "/sign-out/", "/projects/{hostile_project}/stop/", "/projects/{hostile_project}/delete/",
    "/account/tokens/{mallory_token_pk}/revoke/", "/account/requests/1/take-back/",
)  # fmt: skip
OF_STAFF = ("/admin/portal/user/add/", "/admin/portal/user/", "/admin/auth/group/add/",
            "/admin/notebook_sessions/project/", "/admin/quotas/limitset/")  # fmt: skip
LINKS = (
    "/launch/?repository=x", "/projects/{hostile_project}/stop/", "/sign-out/",
    "/projects/{hostile_project}/delete/", "/account/tokens/revoke/", "/account/ssh-key/make/",
    "/account/sign-out-everywhere/", "/going/keep/",
)  # fmt: skip
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


def _forms() -> Iterator[Request]:
    for path in FORMS:
        yield Request(KIND, f"post to {path} without a form's token", path, method="POST",
                      by="mallory", body="a=b", headers=FORM, answers=frozenset({403}))  # fmt: skip
    for path in OF_STAFF:
        yield Request(KIND, f"post to {path} of staff without a form's token", path, method="POST",
                      by="root", body="a=b", headers=FORM, answers=frozenset({403}))  # fmt: skip
    for path in LINKS:
        yield Request(KIND, f"have somebody follow a link to {path}", path, by="mallory",
                      answers=AWAY | {404, 405})  # fmt: skip
    for origin, value in ORIGINS.items():
        yield Request(KIND, f"call the API by the cookie from {origin}", "/api/v1/projects/",
                      method="POST", by="mallory", body='{"repository": "x"}',
                      headers=(("Content-Type", "application/json"), ("Origin", value)),
                      answers=frozenset({403}))  # fmt: skip
    yield Request(KIND, "call the API by the cookie as a form's text", "/api/v1/projects/",
                  method="POST", by="mallory", body='{"repository": "x"}',
                  headers=(("Content-Type", "text/plain"),), answers=frozenset({403, 415}))  # fmt: skip


def _sockets() -> Iterator[Request]:
    for origin, value in ORIGINS.items():
        origin_line = (("Origin", value),)
        yield Request(KIND, f"open a socket of the portal from {origin}",
                      "/ws/projects/{hostile_project}/", by="mallory", headers=(*SOCKET, *origin_line))  # fmt: skip
        if origin != "a notebook":
            yield Request(KIND, f"open a socket of a notebook from {origin}", "/ws/echo",
                          host=NOTEBOOK, by="mallory", token="all", headers=(*SOCKET, *origin_line))  # fmt: skip
    yield Request(KIND, "open a socket of the portal by the cookie, without an origin",
                  "/ws/projects/{hostile_project}/", by="mallory", headers=SOCKET)  # fmt: skip
    for who in ("carol", ""):
        yield Request(KIND, f"follow somebody else's project by a socket {'by' if who else 'without'}"
                      " a name", "/ws/projects/{hostile_project}/", by=who,
                      headers=(*SOCKET, ("Origin", "{url}")))  # fmt: skip
    yield Request(KIND, "follow all changes as a stranger by a socket", "/ws/projects/",
                  headers=(*SOCKET, ("Origin", "{url}")))  # fmt: skip
    yield Request(KIND, "follow a build's log by a socket without being staff", "/ws/builds/1/",
                  by="mallory", headers=(*SOCKET, ("Origin", "{url}")))  # fmt: skip
    yield Request(KIND, "open a socket where there is none", "/ws/none/", by="mallory",
                  headers=(*SOCKET, ("Origin", "{url}")))  # fmt: skip


def _notebooks() -> Iterator[Request]:
    for origin, value in ORIGINS.items():
        if origin != "a notebook":
            yield Request(KIND, f"write into a notebook from {origin}", "/api/contents/x",
                          host=NOTEBOOK, method="PUT", by="mallory", token="all", body="{}",
                          headers=(("Origin", value),), answers=frozenset({403}))  # fmt: skip


def _sharing() -> Iterator[Request]:
    """Yield requests for what another origin may read: nothing, unless the site lists it."""
    for path, host in (("/api/v1/me/", PORTAL), ("/", PORTAL), ("/health", PORTAL)):
        for origin, value in list(ORIGINS.items())[:3]:
            yield Request(KIND, f"have {path} read by {origin}", path, host=host, by="mallory",
                          headers=(("Origin", value),), answers=OK | REFUSED,
                          without=("ccess-control-allow-origin", "ccess-Control-Allow-Origin"))  # fmt: skip


ATTEMPTS = (
    *_forms(),
    *_sockets(),
    *_notebooks(),
    *_sharing(),
    Request(KIND, "open a socket of one's own project", "/ws/projects/{hostile_project}/",
            by="mallory", headers=(*SOCKET, ("Origin", "{url}")), answers=frozenset({101}),
            control=True),
    Request(KIND, "open a socket of one's own notebook", "/ws/echo", host=NOTEBOOK, by="mallory",
            token="all", headers=SOCKET, answers=frozenset({101}), control=True),
)  # fmt: skip
