"""Answer the nginx in front that passes plain content on itself (`deploy/nginx`).

nginx sends the headers by which the gateway decides, and caches the answer. The answer reveals the
token of the notebook server, so this address needs `PORTAL_NGINX_SECRET`; without it the answer is
404. The answer leads to one server, whatever path follows.

The gateway as an ASGI application: identify the visitor, authorize, then pass the request on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from aiohttp import ClientError, ClientResponseError
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import translation
from django.utils.crypto import constant_time_compare

from keys.models import digest
from portal.lib.logs import context, requests
from sessions.gateway import responses, tickets
from sessions.gateway.activity import Activity
from sessions.gateway.authorize import Ruling, Verdict, Verdicts
from sessions.gateway.connections import InFlight, TooMany, Upstreams, Visits
from sessions.gateway.headers import to_notebook
from sessions.gateway.hosts import ALLOWED, OURS, entrant_cookie_name, is_label
from sessions.gateway.proxy_http import BadStatus, Exchange
from sessions.gateway.proxy_websocket import Relay
from sessions.gateway.request import Arrival, cookie_in, is_foreign
from sessions.gateway.responses import Answer
from sessions.gateway.websocket import Refused

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


log = logging.getLogger(__name__)

Words = Callable[[Arrival], Answer]
"""Builds an answer. Called once the visitor's language is set."""

REFUSALS: dict[Ruling, Words] = {
    Ruling.SIGN_IN: responses.sign_in,
    Ruling.NO_SCOPE: responses.no_scope,
    Ruling.NOT_FOUND: responses.not_found,
    Ruling.UNREADABLE: responses.no_answer,
}

_redeem = database_sync_to_async(tickets.redeem, thread_sensitive=False)


class Gateway:
    """The gateway's ASGI application, one per process; ``close`` ends it."""

    def __init__(self) -> None:
        self._verdicts = Verdicts()
        self._visits = Visits(self._verdicts)
        self._upstreams = Upstreams()
        self._activity = Activity()
        self._in_flight = InFlight()

    async def close(self) -> None:
        """Close the connections to all notebook servers."""
        await self._upstreams.close()

    async def __call__(self, label: str, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request to the host ``label``, or open its WebSocket."""
        arrival = Arrival.of(scope, label)
        if asked := requests.present():
            asked.route = requests.NOTEBOOK
        if arrival.is_socket:
            await receive()  # the connect message
        try:
            words = await self._open(arrival, receive, send)
        except (DatabaseError, InterfaceError):
            log.exception("cannot look up who may open %s", label)
            words = responses.trouble
        if words:
            with translation.override(responses.language_of(arrival)):
                answer = words(arrival)
            await responses.give(answer, arrival, send)

    async def _open(self, arrival: Arrival, receive: Any, send: Any) -> Words | None:
        """Pass the request on; return what to say instead if it cannot or must not be."""
        if arrival.path in OURS:
            return await self._ours(arrival)
        if is_foreign(arrival):
            return responses.foreign
        verdict = await self._verdicts.of(arrival.credential)
        if verdict.project_id:
            context.note(project=verdict.project_id, user=verdict.user_id)
        if verdict.ruling in REFUSALS:
            return REFUSALS[verdict.ruling]
        if not arrival.target.startswith("/"):
            return responses.not_found
        if verdict.ruling is Ruling.NOT_RUNNING:
            return partial(responses.not_running, state=verdict.state)
        return await self._pass_on(arrival, verdict, receive, send)

    async def _ours(self, arrival: Arrival) -> Words:
        if arrival.path == ALLOWED:
            return await allowed(arrival, self._verdicts)
        return await _enter(arrival)

    async def _pass_on(
        self, arrival: Arrival, verdict: Verdict, receive: Any, send: Any
    ) -> Words | None:
        noting = partial(self._activity.note, verdict.project_id, arrival)
        noting()
        passing: Exchange | Relay
        if arrival.is_socket:
            passing = Relay(receive, send, noting, self._in_flight)
        else:
            passing = Exchange(receive, send)
        try:
            with self._visits.open(arrival.credential, verdict.project_id) as visit:
                async with self._upstreams.at(verdict.address) as upstream:
                    await passing.run(arrival, upstream, verdict.token, visit)
        except TooMany:
            return responses.too_many
        except (BadStatus, ClientResponseError):
            return responses.bad_answer
        except Refused as refusal:
            return _refused(refusal.status)
        except (ClientError, OSError):
            return None if passing.started else responses.no_answer
        if visit.over and not passing.started:
            return responses.sign_in
        if visit.over and isinstance(passing, Relay):
            await passing.break_off()
        return None


def _refused(status: int) -> Words:
    """Return the answer for a notebook server that refuses to open a WebSocket."""
    if 400 <= status < 600:
        return lambda _arrival: Answer(status)
    return responses.no_answer if 200 <= status < 400 else responses.bad_answer


async def _enter(arrival: Arrival) -> Words:
    if arrival.method != "GET" or arrival.is_socket:
        return lambda _arrival: Answer(405, headers=[(b"allow", b"GET")])
    query = parse_qs(arrival.target.partition("?")[2], keep_blank_values=True)
    if "ticket" not in query and is_label(arrival.label):
        return partial(responses.to_portal, path=query.get("path", [""])[0])
    secret = cookie_in(arrival.headers, entrant_cookie_name())
    entrant = digest(secret) if secret else ""
    ticket = query.get("ticket", [""])[0]
    entry = await _redeem(ticket, arrival.label, entrant, arrival.credential.cookie)
    return partial(responses.welcome, entry=entry) if entry else responses.used_ticket
