"""Ask the portal as a persistent person does: again, with the same key, until it answers."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping

import httpx

from bench.drill.ledger import Ledger
from tests.stack import Api

PATIENCE = 10.0
"""Seconds for one answer; a portal that was stopped in the middle gives none."""
MAY_PASS = frozenset({"idempotency.in-progress"})


class Mute(Exception):
    """No definite answer came while anybody waited for one."""


class Asker:
    """A client that retries until ``until``, a time of the monotonic clock."""

    def __init__(self, api: Api, ledger: Ledger, chance: random.Random, until: float) -> None:
        self.api = api
        self.ledger = ledger
        self._chance = chance
        self._until = until
        api.http.timeout = httpx.Timeout(PATIENCE)

    def ask(self, method: str, path: str, json: Mapping[str, str] | None = None) -> httpx.Response:
        """Return the definite answer: done, or refused. Raises `Mute`."""
        headers = {"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {}
        while time.monotonic() < self._until:
            answer = self._once(method, path, json, headers)
            if answer is not None:
                return answer
            time.sleep(self._chance.uniform(0.3, 1.5))
        raise Mute(f"{method} {path}")

    def _once(
        self, method: str, path: str, json: Mapping[str, str] | None, headers: dict[str, str]
    ) -> httpx.Response | None:
        try:
            answer = self.api.http.request(method, path, json=json, headers=headers)
        except httpx.TransportError as error:
            self.ledger.count(self.ledger.unanswered, type(error).__name__)
            return None
        reason = code(answer)
        if answer.status_code >= 500 or answer.status_code == 429 or reason in MAY_PASS:
            self.ledger.count(self.ledger.unanswered, f"{answer.status_code} {reason}".strip())
            return None
        return answer


def code(answer: httpx.Response) -> str:
    """Return the stable code of a refusal, "" if the answer has none."""
    if answer.is_success or "json" not in answer.headers.get("content-type", ""):
        return ""
    return str(answer.json().get("code", ""))
