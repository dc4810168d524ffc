"""A mail server on this machine that accepts letters and keeps them, or refuses, as a test tells
it.
"""

from __future__ import annotations

import socketserver
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Self

from tests.threadserver import ThreadServer


class MailServer:
    """A mail server. ``letters`` are those that came; ``refused`` are addresses for which it
    accepts nothing. ``silent``: it accepts a letter and never confirms it. ``breaks_on`` are
    addresses at which it hangs up. Unless it ``admits``, no password is right.
    """

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.refused: set[str] = set()
        self.logins: list[str] = []
        self.silent = False
        self.breaks_on: set[str] = set()
        self.admits = True
        self._server = _Server(_Conversation)
        self._server.owner = self

    @property
    def port(self) -> int:
        return self._server.port

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.__exit__()


class _Server(ThreadServer):
    owner: MailServer


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            if verb.upper() == "QUIT":
                self._say("221 bye")
                return
            if verb.upper() == "RCPT" and any(one in rest for one in self.server.owner.breaks_on):
                return
            self._say(self._answer(verb.upper(), rest))

    def _answer(self, verb: str, rest: str) -> str:
        owner = self.server.owner
        if verb == "EHLO":
            return "250-here\r\n250 AUTH PLAIN"
        if verb == "AUTH":
            owner.logins.append(rest)
            return "235 welcome" if owner.admits else "535 who are you"
        if verb == "RCPT" and any(f"<{one}>" in rest for one in owner.refused):
            return "550 nobody of that name"
        if verb == "DATA":
            self._say("354 go on")
            owner.letters.append(message_from_bytes(self._letter(), policy=policy.default))
            if owner.silent:
                self.rfile.read()  # until the other side has had enough
        return "250 fine"

    def _letter(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")
