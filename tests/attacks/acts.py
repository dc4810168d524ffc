"""Attempts that take several steps: functions that get the portal under attack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.attacks.attempt import Attempt, Verdict
from tests.attacks.cast import HERE, World


@dataclass(frozen=True)
class Act(Attempt):
    """An attempt in several steps. ``act`` returns what it got hold of, or nothing if the portal
    held.
    """

    act: Callable[[World], Any]

    def tried(self, world: World) -> Verdict:
        return self.judge(self.act(world))


def visitor(world: World, name: str = "", **headers: str) -> httpx.Client:
    """Return a browser without JavaScript, signed in as this person; requests to any host below
    ``localhost`` go to the portal.
    """
    client = httpx.Client(
        headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
                 **headers},
        transport=_ToPortal(world.stack.port),
        timeout=30,
    )  # fmt: skip
    if name:
        client.cookies.set(world.cookie, world.sessions[name], domain=HERE)
    return client


class _ToPortal(httpx.HTTPTransport):
    """Sends names below ``localhost``, which only browsers resolve, to the portal."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        led = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1", port=self.port),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return super().handle_request(led)


def steps(client: httpx.Client, url: str, most: int = 8) -> list[httpx.Response]:
    """Follow redirects from this address and return each answer on the way."""
    found = [client.get(url, follow_redirects=False)]
    while found[-1].is_redirect and len(found) < most:
        found.append(client.get(led_to(found[-1]), follow_redirects=False))
    return found


def led_to(answer: httpx.Response) -> str:
    """Return the absolute address that an answer leads to, or ""."""
    place = answer.headers.get("location", "")
    return str(answer.request.url.join(place)) if place else ""
