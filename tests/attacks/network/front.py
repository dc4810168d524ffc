"""nginx in front, as `deploy/nginx` sets it up, lets through no more than the portal does."""

from __future__ import annotations

from typing import Any

from tests.attacks.network.heads import SHAPES, SOCKET
from tests.attacks.wire import OK, REFUSED, Request

KIND = "nginx"
BAD = frozenset({400, 404, 426, 502, 503})
_MINE: dict[str, Any] = {
    "by": "mallory",
    "token": "all",
    "host": "{hostile}",
    "within": 15,
    "by_nginx": True,
}
UPGRADES = ("foo", "h2c", "TLS/1.0", "websocket2", "WEBSOCKET, foo")


def _upgrade(protocol: str) -> tuple[tuple[str, str], ...]:
    return (("Connection", "Upgrade"), ("Upgrade", protocol))


ATTEMPTS = (
    *(
        Request(KIND, f"open a raw tunnel by Upgrade: {protocol}", "/odd/other-protocol",
                headers=_upgrade(protocol), answers=BAD, **_MINE)
        for protocol in UPGRADES
    ),
    Request(KIND, "open a raw tunnel to the portal itself", "/", headers=_upgrade("foo"),
            answers=OK | REFUSED | {302}, by_nginx=True),
    Request(KIND, "be shut out by 38 large cookies and not told how to get rid of them",
            headers=tuple(SHAPES["with cookies of 150,000 characters"][1]), by_nginx=True,
            answers=frozenset({431}), having=('"cookies"',)),
    *(
        Request(KIND, f"ask for a page {shape}", f"/{query}", headers=tuple(lines),
                answers=answers | {400}, by_nginx=True)
        for shape, (query, lines, answers) in SHAPES.items()
    ),
    Request(KIND, "ask for the way that nginx asks", "/_bindery/allowed", answers=REFUSED,
            without=("x-bindery", "X-Bindery"), **_MINE),
    Request(KIND, "give a guess at nginx's secret", "/_bindery/allowed", answers=REFUSED,
            headers=(("X-Bindery-Secret", "guessed"),), without=("x-bindery", "X-Bindery"), **_MINE),
    *(
        Request(KIND, f"reach somebody else's files by {path}", path, by="mallory", token="all",
                host="{alice_project}.localhost:{port}", answers=REFUSED | {418}, by_nginx=True)
        for path in ("/static/x", "/static/../api/contents", "/static/%2e%2e/api/contents",
                     "/static//../api/contents", "/lab/extensions/..%2f..%2fapi%2fcontents")
    ),
    Request(KIND, "have nginx follow a notebook's orders", "/static/orders", answers=OK | BAD,
            without=("root:", "x-bindery", "X-Bindery"), **_MINE),
    *(
        Request(KIND, f"answer with the status {status}", f"/status/{status}", answers=BAD, **_MINE)
        for status in ("100", "101", "103", "199", "600", "999")
    ),
    Request(KIND, "say that one comes from the machine itself", "/metrics", answers=REFUSED,
            headers=(("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1")), by_nginx=True),
    Request(KIND, "ask for a page", "/", answers=OK, by_nginx=True, control=True),
    Request(KIND, "open a socket of one's own notebook", "/ws/echo", headers=SOCKET,
            answers=frozenset({101}), control=True, **_MINE),
    Request(KIND, "ask for a file of one's own server", "/static/x", answers=OK, control=True, **_MINE),
)  # fmt: skip
