"""Whether a notebook's JupyterLab answers: the one thing that the cluster cannot tell.

A readiness probe of the cluster's would know up to a second later, and so would the page.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from .serverpod import PORT

SECONDS = 1.0
AT_ONCE = 16
PATH = "/api"
"""Jupyter says its version there, to everybody."""


class Answering:
    """Remembers which pods have answered once."""

    def __init__(self) -> None:
        self.uids: frozenset[str] = frozenset()
        self._pool: ThreadPoolExecutor | None = None

    def ask(self, addresses: Mapping[str, str]) -> set[str]:
        """The uids, of those in ``addresses``, that answer now and had not before."""
        asked = {uid: host for uid, host in addresses.items() if uid not in self.uids}
        if not asked:
            return set()
        self._pool = self._pool or ThreadPoolExecutor(AT_ONCE, "answering")
        answers = self._pool.map(_answers, asked.values())
        new = {uid for uid, answers in zip(asked, answers, strict=True) if answers}
        self.uids |= new
        return new

    def keep(self, uids: Iterable[str]) -> None:
        """Forget all others."""
        self.uids &= frozenset(uids)


def _answers(host: str) -> bool:
    try:
        with closing(http.client.HTTPConnection(host, PORT, timeout=SECONDS)) as connection:
            connection.request("GET", PATH)
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
