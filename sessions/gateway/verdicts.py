"""What `authorize` has said lately, so that a page of a hundred requests asks the database once.

One for each process and event loop. Nothing is believed for longer than
`PORTAL_GATEWAY_RECHECK` seconds, counted from before the question, and a refusal for less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from time import monotonic

from channels.db import database_sync_to_async
from django.conf import settings

from sessions.gateway.authorize import SIGN_IN, Credential, Ruling, Verdict, decide

REFUSAL_LASTS = 0.25
"""The part of that time that a refusal is believed."""
MOST = 10_000

# In threads of its own: whoever else waits for the database does not hold the gateway up.
_decided = database_sync_to_async(decide, thread_sensitive=False)


class Verdicts:
    def __init__(self) -> None:
        self._known: dict[Credential, tuple[float, Verdict]] = {}
        self._asked: dict[Credential, asyncio.Task[Verdict]] = {}

    async def of(self, credential: Credential) -> Verdict:
        """Return a verdict young enough to be believed; all who ask meanwhile share the answer."""
        if not credential.cookie and not credential.bearer:
            return SIGN_IN
        until, verdict = self._known.get(credential, (0.0, SIGN_IN))
        if until > monotonic():
            return verdict
        task = self._asked.get(credential)
        if task is None:
            task = self._asked[credential] = asyncio.create_task(self._ask(credential))
        return await asyncio.shield(task)

    async def anew(self, credential: Credential) -> Verdict:
        """The same for who holds it as long again: that it is allowed is asked for now."""
        _until, verdict = self._known.get(credential, (0.0, SIGN_IN))
        if verdict.ruling is Ruling.ALLOWED:
            del self._known[credential]
        return await self.of(credential)

    async def renew(self, credentials: Collection[Credential]) -> dict[Credential, Verdict]:
        """Ask again about these, all at once."""
        began = monotonic()
        verdicts: dict[Credential, Verdict] = await _decided(credentials)
        for credential, verdict in verdicts.items():
            share = 1 if verdict.ruling is Ruling.ALLOWED else REFUSAL_LASTS
            until = began + share * settings.PORTAL_GATEWAY_RECHECK
            self._known.pop(credential, None)
            self._known[credential] = (until, verdict)
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return verdicts

    async def _ask(self, credential: Credential) -> Verdict:
        try:
            return (await self.renew([credential]))[credential]
        finally:
            del self._asked[credential]
