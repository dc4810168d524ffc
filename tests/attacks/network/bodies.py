"""Request bodies: far too large ones, and JSON that no parser should follow to its end."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.attacks.attempt import Verdict
from tests.attacks.cast import World
from tests.attacks.wire import REFUSED, Request, body_of, heard, send

KIND = "bodies"
SAID = 300 * 2**20
MOST = 24 * 2**20
"""Bytes to send where the portal accepts them: more than it and the sockets between can hold."""
ADDRESSES = ("/no-such-address/", "/sign-in/", "/launch/", "/api/v1/projects/", "/api/v1/nothing/",
             "/admin/login/", "/health", "/static/none.css", "/examples/hello.git/git-upload-pack",
             "/oidc/none/callback/", "/understand/", "/metrics")  # fmt: skip


@dataclass(frozen=True)
class Flood(Request):
    """A body that is announced as large, or is chunked and does not end."""

    chunked: bool = field(default=False, kw_only=True)
    most: int = field(default=MOST, kw_only=True)

    def pieces(self, world: World) -> Iterator[bytes]:
        yield self.head(world).encode()
        for piece in body_of(self.most):
            yield b"%x\r\n%s\r\n" % (len(piece), piece) if self.chunked else piece

    def tried(self, world: World) -> Verdict:
        end = time.monotonic() + self.within
        with socket.create_connection(("127.0.0.1", world.stack.port), timeout=5) as visitor:
            sent = send(visitor, self.pieces(world), end)
            if sent >= self.most:
                return Verdict(self.severity, f"all of {sent / 1e6:.0f} MB were taken")
            visitor.settimeout(max(0.1, end - time.monotonic()))
            answer = heard(visitor)
        verdict = self.verdict(world, answer)
        return Verdict(verdict.outcome, f"after {sent / 1e6:.1f} MB: {verdict.evidence}")


def _announced(size: int) -> tuple[tuple[str, str], ...]:
    return (("Content-Length", str(size)), ("Content-Type", "application/octet-stream"))


def _floods() -> Iterator[Request]:
    for path in ADDRESSES:
        more: dict[str, Any] = {"method": "POST", "closes": True, "within": 15}
        yield Flood(KIND, f"post 300 MB to {path}", path, headers=_announced(SAID), **more)
    for path in ADDRESSES[:4]:
        yield Flood(
            KIND,
            f"post chunks without an end to {path}",
            path,
            chunked=True,
            headers=(("Transfer-Encoding", "chunked"),),
            **more,
        )
    yield Flood(
        KIND,
        "post 300 MB as somebody signed in",
        "/launch/",
        by="mallory",
        headers=_announced(SAID),
        **more,
    )
    yield Flood(
        KIND,
        "post 300 MB with a token",
        "/api/v1/projects/",
        by="mallory",
        token="all",
        headers=(*_announced(SAID)[:1], ("Content-Type", "application/json")),
        **more,
    )
    yield Flood(
        KIND,
        "post 300 MB to somebody else's notebook",
        "/api/contents/x",
        host="{alice_project}.localhost:{port}",
        headers=_announced(SAID),
        **more,
    )


JSON = {
    "100,000 arrays in each other": "[" * 100_000,
    "100,000 arrays in each other, closed": "[" * 100_000 + "]" * 100_000,
    "100,000 objects in each other": '{"a":' * 100_000,
    "no number": '{"repository": NaN}',
    "a number without an end": '{"repository": 1' + "0" * 50_000 + "}",
    "infinity": '{"repository": 1e999}',
    "half a pair of surrogates": '{"repository": "\\ud800"}',
    "NUL": '{"repository": "a\\u0000b"}',
    "a list where an object belongs": "[]",
    "text where an object belongs": '"x"',
    "nothing": "null",
    "an object where text belongs": '{"repository": {"a": {}}}',
    "the same name twice": '{"repository": "a", "repository": "b"}',
    "a name like Python's own": '{"__class__": "x", "__init__": {}}',
    "bytes that are no UTF-8": '{"repository": "\xff\xfe"}',
    "100,000 names": json.dumps({f"n{n}": n for n in range(100_000)}),
}
OF_JSON = frozenset({400, 413, 422})


def _json() -> Iterator[Request]:
    for what, text in JSON.items():
        yield Request(KIND, f"send JSON of {what}", "/api/v1/projects/", method="POST",
                      by="mallory", token="all", body=text, answers=OF_JSON,
                      headers=(("Content-Type", "application/json"),), having=('"code"',))  # fmt: skip


FORMS = {
    "10,000 fields": ("application/x-www-form-urlencoded", "&".join(f"a{n}=1" for n in range(10_000))),
    "a part without an end": ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data;"
                              " name=\"a\"\r\n\r\nx"),
    "parts without a boundary": ("multipart/form-data", "x"),
    "a boundary of 10,000 characters": ("multipart/form-data; boundary=" + "b" * 10_000, "x"),
    "a set of characters that there is not": ("application/x-www-form-urlencoded; charset=none", "a=1"),
    "a set of characters that is a path": ("application/x-www-form-urlencoded; charset=../x", "a=1"),
    "ten thousand files": (
        "multipart/form-data; boundary=x",
        "".join(f'--x\r\nContent-Disposition: form-data; name="f{n}"; filename="f"\r\n\r\nx\r\n'
                for n in range(3_000)) + "--x--\r\n"),
}  # fmt: skip


def _forms() -> Iterator[Request]:
    for what, (kind, text) in FORMS.items():
        yield Request(KIND, f"send a form of {what}", "/sign-in/", method="POST", body=text,
                      headers=(("Content-Type", kind),), answers=REFUSED)  # fmt: skip


ATTEMPTS = (
    *_floods(),
    *_json(),
    *_forms(),
    Request(KIND, "send a small body", "/api/v1/projects/", method="POST", by="mallory",
            token="all", body='{"repository": ""}', answers=frozenset({400}), having=('"code"',),
            headers=(("Content-Type", "application/json"),), control=True),
)  # fmt: skip
