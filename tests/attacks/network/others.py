"""Other people's things: every address of a project, token, key or request, as somebody else."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attacks.wire import AWAY, OK, REFUSED, Request

KIND = "others' things"
NOT_THERE = frozenset({404})
TO_SIGN_IN = frozenset({401, 403}) | AWAY
JSON = (("Content-Type", "application/json"),)
OF_API = {
    "see it": ("GET", "projects/{alice_project}/"),
    "follow it": ("GET", "projects/{alice_project}/events/"),
    "delete it": ("DELETE", "projects/{alice_project}/"),
    "delete it for good": ("DELETE", "projects/{alice_project}/?for_good=true"),
    "start it": ("POST", "projects/{alice_project}/start/"),
    "stop it": ("POST", "projects/{alice_project}/stop/"),
    "keep it": ("POST", "projects/{alice_project}/keep/"),
    "rebuild it": ("POST", "projects/{alice_project}/rebuild/"),
    "cancel it": ("POST", "projects/{alice_project}/cancel/"),
    "restore it": ("POST", "projects/{alice_project}/restore/"),
}
OF_PAGES = {
    "see it": ("GET", ""),
    "see how it is": ("GET", "status/"),
    "read its log": ("GET", "log.txt"),
    "open it": ("GET", "open/"),
}
VERBS = ("start", "stop", "rebuild", "cancel", "keep", "delete", "delete-for-good", "restore")
THINGS = {
    "another person's token": ("DELETE", "tokens/{alice_token_pk}/"),
    "another person's limits": ("GET", "users/alice/limits/"),
    "the limits of a superuser": ("PATCH", "users/root/limits/"),
    "one's own limits": ("PATCH", "users/mallory/limits/"),
}


def _api() -> Iterator[Request]:
    for what, (method, path) in OF_API.items():
        for who in ("carol", ""):
            whom = "by token of somebody else" if who else "as a stranger"
            yield Request(KIND, f"{what} through the API {whom}", f"/api/v1/{path}", method=method,
                          by=who, token="all" if who else "", headers=JSON,
                          answers=NOT_THERE if who else TO_SIGN_IN)  # fmt: skip
    for what, (method, path) in THINGS.items():
        yield Request(KIND, f"change or see {what}", f"/api/v1/{path}", method=method, by="mallory",
                      token="all", headers=JSON, body="{}" if method == "PATCH" else "",
                      answers=frozenset({403, 404}))  # fmt: skip
    for field in (
        "?owner=alice",
        "?owner__username=alice",
        "?user=alice",
        "?search=alice",
        "?deleted=all",
    ):
        yield Request(KIND, f"list others' projects with {field}", f"/api/v1/projects/{field}",
                      by="mallory", token="all", answers=OK | {400, 403, 404}, without=("{alice_project}",))  # fmt: skip


def _pages() -> Iterator[Request]:
    for what, (method, path) in OF_PAGES.items():
        for who in ("carol", ""):
            yield Request(KIND, f"{what} on the page {'of somebody else' if who else 'as a stranger'}",
                          f"/projects/{{alice_project}}/{path}", method=method, by=who,
                          answers=NOT_THERE if who else TO_SIGN_IN, without=("enter?ticket",))  # fmt: skip
    for verb in VERBS:
        yield Request(KIND, f"{verb} it by a form without its token",
                      f"/projects/{{alice_project}}/{verb}/", method="POST", by="carol",
                      answers=frozenset({403, 404}))  # fmt: skip


ATTEMPTS = (
    *_api(),
    *_pages(),
    Request(KIND, "open somebody else's notebook by token", "/api/contents", by="carol", token="all",
            host="{alice_project}.localhost:{port}", answers=NOT_THERE),
    Request(KIND, "open somebody else's notebook by the portal's cookie", "/api/contents", by="carol",
            host="{alice_project}.localhost:{port}", answers=frozenset({401})),
    Request(KIND, "open somebody's notebook by their own portal's cookie", "/api/contents",
            by="alice", host="{alice_project}.localhost:{port}", answers=frozenset({401})),
    Request(KIND, "open a notebook as a stranger", "/api/contents",
            host="{alice_project}.localhost:{port}", answers=frozenset({401})),
    Request(KIND, "learn by its host whether a project is there", "/api/contents", by="carol",
            token="all", host="no-such-project.localhost:{port}", answers=NOT_THERE),
    *(
        Request(KIND, f"have another person's key at {path}", f"/api/v1/{path}", by="mallory",
                token="all", answers=OK | REFUSED, without=("PRIVATE KEY", "{alice_project}"))
        for path in ("ssh-key/", "ssh-key/?user=alice", "me/?user=alice", "me/?username=alice")
    ),
    Request(KIND, "see one's own project through the API", "/api/v1/projects/{alice_project}/",
            by="alice", token="all", answers=OK, having=("{alice_project}",), control=True),
    Request(KIND, "see one's own project on its page", "/projects/{alice_project}/", by="alice",
            answers=OK, control=True),
    Request(KIND, "open one's own notebook by token", "/api/contents", by="alice", token="all",
            host="{alice_project}.localhost:{port}", answers=OK, having=('"content"',), control=True),
    Request(KIND, "open one's own notebook", "/projects/{alice_project}/open/", by="alice",
            answers=AWAY, having=("/_bindery/enter",), control=True),
)  # fmt: skip
