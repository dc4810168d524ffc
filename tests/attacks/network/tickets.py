"""The way into a notebook: a ticket works only for the browser that asked for it, once, and only
for a short time.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from tests.attacks.acts import Act, led_to, steps, visitor
from tests.attacks.cast import HERE, World
from tests.attacks.wire import REFUSED, Request
from tests.pauses import looked

KIND = "tickets"
HOST = "{alice_project}.localhost:{port}"
FORGED = {
    "that is empty": "",
    "that is made up": "made-up",
    "that is signed with nothing": "WyJ4IiwiL2xhYiJd:1:x",
    "of 8,000 characters": "x" * 8_000,
    "with a NUL": "%00",
    "given twice": "a&ticket=b",
}


def opened(client: httpx.Client, world: World, name: str) -> str:
    """Return the address of the notebook if this browser can work in it, else ""."""
    address = f"http://{world.words[name]}.localhost:{world.stack.port}/api/contents"
    return address if client.get(address).status_code == 200 else ""


def _start(world: World, name: str) -> str:
    return f"{world.stack.url}/projects/{world.words[name]}/open/"


def _by_oneself(world: World) -> str:
    with visitor(world, "mallory") as client:
        steps(client, _start(world, "mallory_project"))
        return opened(client, world, "mallory_project")


def _in_anothers_browser(victim: str) -> Act:
    """Open each address on mallory's way to her notebook in another browser: its user would then
    work in her notebook and take it for their own.
    """

    def act(world: World) -> str:
        with visitor(world, "mallory") as mallory:
            way = [str(answer.request.url) for answer in _way(mallory, world)]
        for number in range(len(way)):
            with visitor(world, "mallory") as mallory:
                fresh = _named(_way(mallory, world, stop=number))
            with visitor(world, victim) as client:
                steps(client, fresh)
                if got := opened(client, world, "mallory_project"):
                    return f"{got} by {urlsplit(fresh).path}"
        return ""

    return Act(KIND, f"have {victim or 'a stranger'} open one's own notebook by one's ticket", act)


def _way(client: httpx.Client, world: World, stop: int = 8) -> list[httpx.Response]:
    return steps(client, _start(world, "mallory_project"), most=stop + 1)


def _named(way: list[httpx.Response]) -> str:
    """Return where the last answer leads, without going there."""
    last = way[-1]
    return led_to(last) or str(last.request.url)


def _twice(world: World) -> str:
    with visitor(world, "mallory") as client:
        way = steps(client, _start(world, "mallory_project"))
        client.cookies.delete(f"{world.cookie}-notebook")
        for address in (led_to(each) for each in way):
            if "ticket=" in address:
                client.get(address, follow_redirects=False)
        return opened(client, world, "mallory_project")


def _elsewhere(world: World) -> str:
    with visitor(world, "mallory") as client:
        way = steps(client, _start(world, "mallory_project"))
        for address in (led_to(each) for each in way):
            if "ticket=" in address:
                other = address.replace(
                    world.words["mallory_project"], world.words["alice_project"]
                )
                client.get(other, follow_redirects=False)
        return opened(client, world, "alice_project")


def _cookie_elsewhere(world: World) -> str:
    with visitor(world, "mallory") as client:
        steps(client, _start(world, "mallory_project"))
        held = "; ".join(f"{each.name}={each.value}" for each in client.cookies.jar)
    address = f"http://{world.words['alice_project']}.localhost:{world.stack.port}/api/contents"
    with visitor(world) as other:
        answer = other.get(address, headers={"Cookie": held})
    return answer.text[:200] if answer.status_code == 200 else ""


def _after_sign_out(world: World) -> str:
    """Sign out of a session made for this attempt."""
    code = (
        "from django.conf import settings; from django.test import Client;"
        "from portal.models import User; client = Client();"
        "client.force_login(User.objects.get(username='mallory'));"
        "print(client.cookies[settings.SESSION_COOKIE_NAME].value)"
    )
    session = world.stack.manage("shell", "-v0", "-c", code).splitlines()[-1]
    with visitor(world) as client:
        client.cookies.set(world.cookie, session, domain=HERE)
        steps(client, _start(world, "mallory_project"))
        before = opened(client, world, "mallory_project")
        page = client.get(f"{world.stack.url}/account/").text
        token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        client.post(f"{world.stack.url}/sign-out/", headers={"Referer": world.stack.url},
                    data={"csrfmiddlewaretoken": token})  # fmt: skip
        after = _within_seconds(client, world)
    return after if before else "the notebook could not be opened before"


def _within_seconds(client: httpx.Client, world: World) -> str:
    """Return what still opens after the longest time that a revoked right may last."""
    gone = looked(lambda: not opened(client, world, "mallory_project") or None, 6)
    return "" if gone else "open six seconds after signing out"


ATTEMPTS = (
    _in_anothers_browser("alice"),
    _in_anothers_browser(""),
    Act(KIND, "use a ticket for the second time", _twice),
    Act(KIND, "use a ticket for another notebook", _elsewhere),
    Act(KIND, "use a notebook's cookie for another notebook", _cookie_elsewhere),
    Act(KIND, "go on in a notebook after signing out", _after_sign_out),
    *(
        Request(KIND, f"come with a ticket {how}", f"/_bindery/enter?ticket={value}", host=HOST,
                answers=REFUSED | {410, 302}, without=("et-cookie: {cookie}-notebook",))
        for how, value in FORGED.items()
    ),
    *(
        Request(KIND, f"{method} the way in", "/_bindery/enter?ticket=x", host=HOST, method=method,
                answers=REFUSED)
        for method in ("POST", "HEAD", "PUT", "DELETE")
    ),
    Act(KIND, "open one's own notebook by one's own ticket", _by_oneself, control=True),
)  # fmt: skip
