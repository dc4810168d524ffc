"""Tokens: with too narrow a scope, altered, guessed, in the wrong place."""

from __future__ import annotations

from tests.attacks.wire import OK, REFUSED, Request

KIND = "tokens"
LAUNCH = '{"repository": "https://example.org/x"}'
JSON = (("Content-Type", "application/json"),)
NO_SCOPE = frozenset({403})
NOBODY = frozenset({401, 403})
HOST = "{alice_project}.localhost:{port}"


def _with(value: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", value),)


FORGED = {
    "that is empty": "Bearer ",
    "of another kind": "Basic {alice_token}",
    "with a letter changed": "Bearer {alice_token}x",
    "in capitals": "BEARER BDY_NOTHING",
    "twice": "Bearer {mallory_token} {alice_token}",
    "that is a pattern": "Bearer bdy_%",
    "that is a query": "Bearer bdy_' OR '1'='1",
    "of 8,000 characters": "Bearer " + "x" * 8_000,
    "that is a digest": "Bearer sha256",
    "that is a session's key": "Bearer {alice_session}",
    "with a NUL": "Bearer bdy_\0",
}
ATTEMPTS = (
    Request(KIND, "launch with a token for reading", "/api/v1/projects/", method="POST", by="alice",
            token="read", body=LAUNCH, headers=JSON, answers=NO_SCOPE),
    Request(KIND, "stop with a token for reading", "/api/v1/projects/{alice_project}/stop/",
            method="POST", by="alice", token="read", headers=JSON, answers=NO_SCOPE),
    Request(KIND, "delete with a token for reading", "/api/v1/projects/{alice_project}/",
            method="DELETE", by="alice", token="read", headers=JSON, answers=NO_SCOPE),
    Request(KIND, "make a token with one for reading", "/api/v1/tokens/", method="POST", by="alice",
            token="read", body='{"name": "x"}', headers=JSON, answers=NO_SCOPE),
    Request(KIND, "replace the key with a token for reading", "/api/v1/ssh-key/rotate/",
            method="POST", by="alice", token="read", headers=JSON, answers=NO_SCOPE),
    Request(KIND, "look with a token for notebooks", "/api/v1/projects/", by="alice",
            token="notebook", answers=NO_SCOPE),
    Request(KIND, "launch with a token for notebooks", "/api/v1/projects/", method="POST",
            by="alice", token="notebook", body=LAUNCH, headers=JSON, answers=NO_SCOPE),
    Request(KIND, "open a notebook with a token for reading", "/api/contents", host=HOST, by="alice",
            token="read", answers=NO_SCOPE),
    Request(KIND, "open a notebook with a token for launching", "/api/contents", host=HOST,
            by="alice", token="launch", answers=NO_SCOPE),
    Request(KIND, "give a token more than its maker has", "/api/v1/tokens/", method="POST",
            by="mallory", token="launch", body='{"name": "x", "scopes": ["admin"]}', headers=JSON,
            answers=frozenset({400, 403})),
    Request(KIND, "make a token without an end", "/api/v1/tokens/", method="POST", by="mallory",
            token="all", body='{"name": "x", "expires": "9999-12-31T00:00:00Z"}', headers=JSON,
            answers=frozenset({400, 403})),
    Request(KIND, "make a token in somebody else's name", "/api/v1/tokens/", method="POST",
            by="mallory", token="all", body='{"name": "mine", "user": {alice_pk}, "user_id": {alice_pk}}',
            headers=JSON, answers=frozenset({201, 400}), without=('"user": "alice"',)),
    Request(KIND, "reach the admin by a superuser's token", "/admin/", by="root", token="all",
            answers=frozenset({302, 401, 403})),
    Request(KIND, "reach pages by a token", "/account/", by="alice", token="all",
            answers=frozenset({302, 401, 403})),
    *(
        Request(KIND, f"come with a token {how}", "/api/v1/me/", headers=_with(value),
                answers=NOBODY | {400, 431})
        for how, value in FORGED.items()
    ),
    *(
        Request(KIND, f"come with a token {how} to a notebook", "/api/contents", host=HOST,
                headers=_with(value), answers=frozenset({400, 401, 404, 431}))
        for how, value in FORGED.items()
        if how != "twice"
    ),
    Request(KIND, "give the token in the address", "/api/v1/me/?token={alice_token}", answers=NOBODY),
    Request(KIND, "give the token in the address as OAuth does",
            "/api/v1/me/?access_token={alice_token}", answers=NOBODY),
    Request(KIND, "give one's token in the address of somebody else's notebook",
            "/api/contents?token={mallory_token}", host=HOST, answers=frozenset({403, 404})),
    Request(KIND, "give a changed token in the address of a notebook",
            "/api/contents?token={alice_token}x", host=HOST, answers=frozenset({401})),
    Request(KIND, "read the token in the address of a notebook's request",
            "/version?a=1&token={mallory_token}", host="{hostile}", answers=OK,
            without=("{mallory_token}",), having=("/version?a=1",)),
    Request(KIND, "open one's notebook with a token in its address",
            "/api/contents?token={alice_token}", host=HOST, answers=OK, control=True),
    Request(KIND, "give the token as a cookie", "/api/v1/me/",
            headers=(("Cookie", "{cookie}={alice_token}"),), answers=NOBODY),
    Request(KIND, "give the notebook's cookie a token", "/api/contents", host=HOST,
            headers=(("Cookie", "{cookie}-notebook={alice_token}"),), answers=frozenset({401})),
    Request(KIND, "read the digests of tokens", "/api/v1/tokens/", by="mallory", token="all",
            answers=OK, without=("digest", "sha256")),
    Request(KIND, "use a staff call without being staff", "/api/v1/users/alice/limits/",
            by="mallory", token="all", answers=REFUSED),
    Request(KIND, "look with a token for reading", "/api/v1/me/", by="alice", token="read",
            answers=OK, control=True),
    Request(KIND, "open one's notebook with a token for notebooks", "/api/contents", host=HOST,
            by="alice", token="notebook", answers=OK, control=True),
)  # fmt: skip
