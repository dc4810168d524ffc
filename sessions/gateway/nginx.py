"""What nginx is told that stands in front and passes plain content on itself (`deploy/nginx`).

It asks about the headers by which the gateway decides, and holds the answer. That one gives away
the token of the notebook's server, so it is for who knows the secret that nginx was set up with;
without one there is no such address. What it is told leads to one server, whatever path follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.utils.crypto import constant_time_compare

from sessions.gateway import responses
from sessions.gateway.authorize import Ruling, Verdicts
from sessions.gateway.headers import to_notebook
from sessions.gateway.request import Arrival, is_foreign
from sessions.gateway.responses import Answer

SECRET = b"x-bindery-secret"
HELD = 1
"""Seconds, by a clock that counts whole ones: up to two in truth, as long as `authorize` are."""


async def allowed(arrival: Arrival, verdicts: Verdicts) -> Callable[[Arrival], Answer]:
    """204 and how to pass it on. Any refusal is 403, which nginx does not hold: it leaves the
    request to the gateway, which has the words for it."""
    if not _knows_secret(arrival):
        return responses.not_found
    if is_foreign(arrival):
        return _no
    verdict = await verdicts.anew(arrival.credential)
    way = _way(verdict.address)
    if verdict.ruling is not Ruling.ALLOWED or not way:
        return _no
    onward = to_notebook(arrival.headers, verdict.token)
    headers = {
        "x-bindery-upstream": way,
        "x-bindery-authorization": onward["Authorization"],
        "x-bindery-cookie": onward.get("Cookie", ""),
        "x-accel-expires": str(HELD),
    }
    told = [(name.encode(), text.encode()) for name, text in headers.items()]
    return lambda _arrival: Answer(204, headers=told)


def _no(arrival: Arrival) -> Answer:
    return Answer(403)


def _knows_secret(arrival: Arrival) -> bool:
    wanted = settings.PORTAL_NGINX_SECRET
    return bool(wanted) and constant_time_compare(arrival.text(SECRET), wanted)


def _way(address: str) -> str:
    """The address as nginx writes it in front of a path; "" for one that it could misread."""
    if re.fullmatch(r"unix:/[\w/.+-]+", address, re.ASCII):
        return f"http://{address}:"
    return address if re.fullmatch(r"http://[\w.-]+:\d+", address, re.ASCII) else ""
