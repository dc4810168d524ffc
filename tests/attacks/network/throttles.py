"""Rate limits: guessing passwords, submitting forms, and servers that keep the portal waiting."""

from __future__ import annotations

import secrets
import time

import httpx

from tests.attacks.acts import Act
from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.cast import World

KIND = "how often"
GUESSES = 9
FORMS = 620
"""Twice the number of changes that the API allows a person in a minute."""


def _guess(world: World, name: str, **headers: str) -> int:
    """Return the status of a guess at somebody's password."""
    with httpx.Client(base_url=world.stack.url, timeout=30, headers=headers) as browser:
        page = browser.get("/sign-in/").text
        token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        form = {"username": name, "password": secrets.token_hex(8), "csrfmiddlewaretoken": token}
        return browser.post(
            "/sign-in/", data=form, headers={"Referer": world.stack.url}
        ).status_code


def _guesses(header: str = "") -> Act:
    def act(world: World) -> str:
        name = f"nobody-{secrets.token_hex(4)}"
        seen = []
        for number in range(GUESSES):
            more = {header: f"198.51.100.{number}"} if header else {}
            seen.append(_guess(world, name, **more))
        return "" if seen[-1] == 429 else f"{GUESSES} guesses: {seen}"

    said = f" from addresses that one makes up in {header}" if header else ""
    return Act(KIND, f"guess a password{said}", act, long=header in {"Forwarded", "X-Real-IP"})


def _forms(path: str, **data: str) -> Act:
    """Submit a form more often than anybody clicks."""

    def act(world: World) -> str:
        with world.browser("marvin") as browser:
            for _ in range(FORMS):
                if browser.send_form(path, data).status_code == 429:
                    return ""
        return f"{FORMS} forms to {path}"

    return Act(KIND, f"send forms to {path} without an end", act, long=True)


def _strangers(world: World) -> str:
    """Ask the API without a token more often than it allows."""
    with httpx.Client(base_url=world.stack.url, timeout=30) as visitor:
        for _ in range(700):
            if visitor.get("/api/v1/me/").status_code == 429:
                return ""
    return "700 requests"


def _slow_servers(world: World) -> str:
    """Launch from a server that never answers: that holds up nobody else's launches."""
    with world.api("mallory") as mallory, world.api("carol") as carol:
        names: list[str] = []
        try:
            names.extend(mallory.launch(each) for each in world.words["hanging"].split())
            begun = time.monotonic()
            name = carol.launch(world.words["plain"])
            carol.until(name, "ready")
            took = time.monotonic() - begun
            carol.delete(name)
        finally:
            for each in names:
                mallory.delete(each)
    return f"{took:.1f} s beside {len(names)} launches that hang" if took > 12 else ""


ATTEMPTS = (
    _guesses(),
    _guesses("X-Forwarded-For"),
    _guesses("Forwarded"),
    _guesses("X-Real-IP"),
    _forms("/launch/", repository=""),
    _forms("/account/ask/", limit="projects"),
    _forms("/account/tokens/", name=""),
    _forms("/account/requests/0/seen/"),
    Act(KIND, "ask the API as a stranger without an end", _strangers, long=True),
    Act(KIND, "keep the portal waiting for one's git server", _slow_servers, long=True,
        backends=ON_ONE_MACHINE),
)  # fmt: skip
