"""Request smuggling: requests that two servers read differently, or that no server should read."""

from __future__ import annotations

from typing import Any

from tests.attacks.attempt import Verdict
from tests.attacks.cast import World
from tests.attacks.wire import REFUSED, Answer, Raw, ask

KIND = "framing"
HIDDEN = "GET /smuggled HTTP/1.1\r\nHost: {hostile}\r\n\r\n"
_TO_NOTEBOOK = "POST /echo HTTP/1.1\r\nHost: {hostile}\r\nAuthorization: Bearer {mallory_token}\r\n"
_TO_PORTAL = "POST /sign-in/ HTTP/1.1\r\nHost: localhost:{port}\r\n"
LENGTHS = {
    "a length and chunks": "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "chunks and a length": "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
    "two lengths": "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "two lengths in one line": "Content-Length: 1, 2\r\n\r\nab",
    "a negative length": "Content-Length: -1\r\n\r\n",
    "a length with a sign": "Content-Length: +1\r\n\r\na",
    "a length in hexadecimal": "Content-Length: 0x1\r\n\r\na",
    "a length with a blank in it": "Content-Length: 1 1\r\n\r\na",
    "a length that is no number": "Content-Length: one\r\n\r\n",
    "a length of 400 digits": "Content-Length: 1" + "0" * 400 + "\r\n\r\n",
    "chunks that are nearly so called": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks behind another encoding": "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks, and then another encoding": "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a blank before the colon": "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tab before chunked": "Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n",
    "a folded line": "X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "line ends of half a kind": "X-Half: a\nContent-Length: 0\n\n",
    "a chunk with a negative length": "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "a chunk of a length beyond numbers":
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "a chunk that ends elsewhere": "Transfer-Encoding: chunked\r\n\r\n1\r\nxGET /\r\n0\r\n\r\n",
}  # fmt: skip
LINES = {
    "no version": "GET /\r\n\r\n",
    "a version that there is not": "GET / HTTP/9.9\r\nHost: localhost:{port}\r\n\r\n",
    "HTTP/2 from the start": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two blanks": "GET  /  HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
    "a method in small letters": "get / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
    "a method that there is not": "ATTACK / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
    "TRACE": "TRACE / HTTP/1.1\r\nHost: localhost:{port}\r\nX-Secret: told\r\n\r\n",
    "TRACE to a notebook":
        "TRACE / HTTP/1.1\r\nHost: {alice_project}.localhost:{port}\r\nX-Secret: told\r\n\r\n",
    "CONNECT": "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
    "CONNECT to a notebook":
        "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: {alice_project}.localhost:{port}\r\n\r\n",
    "a whole address of elsewhere":
        "GET http://example.org/ HTTP/1.1\r\nHost: {alice_project}.localhost:{port}\r\n\r\n",
    "an address that is a star": "GET * HTTP/1.1\r\nHost: {alice_project}.localhost:{port}\r\n\r\n",
    "an address without a slash": "GET x HTTP/1.1\r\nHost: {alice_project}.localhost:{port}\r\n\r\n",
    "a name of a header with a blank": "GET / HTTP/1.1\r\nHost: localhost\r\nX Y: z\r\n\r\n",
    "a header without a name": "GET / HTTP/1.1\r\nHost: localhost\r\n: z\r\n\r\n",
    "a header with NUL": "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
    "a line end within a header": "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rY: b\r\n\r\n",
    "bytes that are no text": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}  # fmt: skip


class Framing(Raw):
    """A request with ambiguous framing: a notebook server must not read the rest as a request that
    nobody has checked, and the answer is nothing but a refusal.
    """

    def tried(self, world: World) -> Verdict:
        verdict = super().tried(world)
        look = (
            "GET /seen HTTP/1.1\r\nHost: {hostile}\r\nAuthorization: Bearer {mallory_token}\r\n\r\n"
        )
        seen = ask(world.stack.port, [world.filled(look).encode()], 10)
        if seen.status != 200 or "/smuggled" in seen.body:
            return Verdict("broken", f"{verdict.evidence}; the server has seen {seen.body[:300]}")
        return verdict

    def verdict(self, world: World, answer: Answer) -> Verdict:
        if "X-Secret" in answer.text or (answer.status >= 500 and answer.status not in {501, 505}):
            return Verdict("broken", answer.text[:500])
        return super().verdict(world, answer)


_AS: dict[str, Any] = {"answers": REFUSED | {200, 302}, "closes": True, "within": 8}
ATTEMPTS = (
    *(
        Framing(KIND, f"send {what} to {whom}", head + lines + HIDDEN, **_AS)
        for whom, head in (("the portal", _TO_PORTAL), ("a notebook", _TO_NOTEBOOK))
        for what, lines in LENGTHS.items()
    ),
    *(Framing(KIND, f"ask with {what}", text, **_AS) for what, text in LINES.items()),
    Raw(KIND, "ask rightly", "GET /health HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
        answers=frozenset({200}), having=("checks",), control=True),
)  # fmt: skip
