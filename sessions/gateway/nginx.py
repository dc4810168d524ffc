"""Answer the nginx in front that passes plain content on itself (`deploy/nginx`).

nginx sends the headers by which the gateway decides, and caches the answer. The answer reveals the
token of the notebook server, so this address needs `PORTAL_NGINX_SECRET`; without it the answer is
404. The answer leads to one server, whatever path follows.
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
"""Seconds that nginx caches the answer. Its clock counts whole seconds, so up to two in practice,
as long as `authorize` caches verdicts.
"""


async def allowed(arrival: Arrival, verdicts: Verdicts) -> Callable[[Arrival], Answer]:
    """Answer 204 with headers that say how to pass the request on.

    Any refusal is 403, which nginx does not cache: it leaves the request to the gateway, which
    answers it properly.
    """
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
    """Return the address as nginx writes it in front of a path; "" if it could misread it."""
    if re.fullmatch(r"unix:/[\w/.+-]+", address, re.ASCII):
        return f"http://{address}:"
    return address if re.fullmatch(r"http://[\w.-]+:\d+", address, re.ASCII) else ""
