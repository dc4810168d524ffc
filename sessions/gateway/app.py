"""The gateway as an ASGI application: identify the visitor, authorize, then pass the request on.

It also answers an nginx in front that passes plain content on itself (``deploy/nginx``): nginx
sends the headers by which the gateway decides, and caches the answer. The answer reveals the token
of the notebook server, so this address needs `PORTAL_NGINX_SECRET`; without it the answer is 404.
The answer leads to one server, whatever path follows.
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
from sessions.gateway.activity import ActivityRecorder
from sessions.gateway.authorize import Authorization, AuthorizationCache, Decision
from sessions.gateway.connections import (
    BlockedWriters,
    ConnectionTracker,
    TooManyConnections,
    UpstreamPool,
)
from sessions.gateway.headers import HeadTooLarge, to_notebook
from sessions.gateway.hosts import AUTH_PATH, GATEWAY_PATHS, entrant_cookie_name, is_label
from sessions.gateway.proxy_http import BodyTooLarge, HeadersTooLarge, HttpProxy, InvalidStatus
from sessions.gateway.proxy_websocket import WebSocketProxy
from sessions.gateway.request import (
    GatewayRequest,
    get_cookie,
    is_cross_site,
    is_preflight,
    preflight_headers,
)
from sessions.gateway.responses import GatewayResponse
from sessions.gateway.websocket import HandshakeRejected
from sessions.states import ProjectState

SECRET_HEADER = b"x-bindery-secret"
CACHE_SECONDS = 1
"""Seconds that nginx caches the answer. Its clock counts whole seconds, so in practice it is up to
two, as long as `authorize` caches decisions.
"""


async def answer_nginx(
    request: GatewayRequest, authorizations: AuthorizationCache
) -> Callable[[GatewayRequest], GatewayResponse]:
    """Answer 204 with headers that say how to pass the request on.

    Any refusal is 403, which nginx does not cache: it leaves the request to the gateway, which
    answers it properly.
    """
    if not _knows_secret(request):
        return responses.not_found
    if is_cross_site(request) or request.listed_origin:
        return _forbidden
    authorization = await authorizations.get_fresh(request.credential)
    upstream = _nginx_address(authorization.address)
    if authorization.decision is not Decision.ALLOWED or not upstream:
        return _forbidden
    onward = to_notebook(request.headers, authorization.token)
    headers = {
        "x-bindery-upstream": upstream,
        "x-bindery-authorization": f"token {authorization.token}",
        "x-bindery-cookie": onward.get("Cookie", ""),
        "x-accel-expires": str(CACHE_SECONDS),
    }
    encoded = [(name.encode(), text.encode()) for name, text in headers.items()]
    return lambda _request: GatewayResponse(204, headers=encoded)


def _forbidden(request: GatewayRequest) -> GatewayResponse:
    return GatewayResponse(403)


def _knows_secret(request: GatewayRequest) -> bool:
    wanted = settings.PORTAL_NGINX_SECRET
    return bool(wanted) and constant_time_compare(request.header(SECRET_HEADER), wanted)


_HOST_ADDRESS = r"http://([\w.-]+|\[[0-9a-f:.]+\]):\d+"


def _nginx_address(address: str) -> str:
    """Return the address as nginx writes it in front of a path; "" if it could misread it."""
    if re.fullmatch(r"unix:/[\w/.+-]+", address, re.ASCII):
        return f"http://{address}:"
    return address if re.fullmatch(_HOST_ADDRESS, address, re.ASCII) else ""


log = logging.getLogger(__name__)

_redeem = database_sync_to_async(tickets.redeem, thread_sensitive=False)

ResponseBuilder = Callable[[GatewayRequest], GatewayResponse]
"""Builds an answer; called after the visitor's language is set."""

REFUSALS: dict[Decision, ResponseBuilder] = {
    Decision.SIGN_IN: responses.sign_in,
    Decision.NO_SCOPE: responses.no_scope,
    Decision.NOT_FOUND: responses.not_found,
    Decision.UNREADABLE: responses.no_answer,
}

PROXY_FAILURES = (
    TooManyConnections,
    HeadTooLarge,
    BodyTooLarge,
    HandshakeRejected,
    InvalidStatus,
    HeadersTooLarge,
    ClientResponseError,
)


class Gateway:
    """The gateway's ASGI application, one per process; ``close`` ends it."""

    def __init__(self) -> None:
        self._authorizations = AuthorizationCache()
        self._connections = ConnectionTracker(self._authorizations)
        self._upstreams = UpstreamPool()
        self._activity = ActivityRecorder()
        self._blocked_writers = BlockedWriters()

    async def close(self) -> None:
        """Close the connections to all notebook servers."""
        await self._upstreams.close()

    async def __call__(self, label: str, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request to the host ``label``, or open its WebSocket."""
        request = GatewayRequest.from_scope(scope, label)
        if trace := requests.current_trace():
            trace.route = requests.NOTEBOOK
        if request.is_socket:
            await receive()  # the connect message
        try:
            build_response = await self._respond(request, receive, send)
        except (DatabaseError, InterfaceError):
            log.exception("cannot look up who may open %s", label)
            build_response = responses.unavailable
        if build_response:
            with translation.override(responses.language_of(request)):
                response = build_response(request)
            await responses.send_response(response, request, send)

    async def _respond(
        self, request: GatewayRequest, receive: Any, send: Any
    ) -> ResponseBuilder | None:
        """Pass the request on; return what to say instead if it cannot or must not be."""
        if request.path in GATEWAY_PATHS:
            return await self._answer_gateway_path(request)
        if early := _answer_before_authorizing(request):
            return early
        authorization = await self._authorizations.get(request.credential)
        if authorization.decision is Decision.NOT_RUNNING and request.wants_page:
            authorization = await self._authorizations.ask_again(request.credential)
        if authorization.project_id:
            context.bind_fields(project=authorization.project_id, user=authorization.user_id)
        if authorization.decision is not Decision.ALLOWED:
            return _refusal(authorization)
        if not request.target.startswith("/"):
            return responses.not_found
        return await self._proxy(request, authorization, receive, send)

    async def _answer_gateway_path(self, request: GatewayRequest) -> ResponseBuilder:
        if request.path == AUTH_PATH:
            return await answer_nginx(request, self._authorizations)
        return await redeem_ticket(request)

    async def _proxy(
        self, request: GatewayRequest, authorization: Authorization, receive: Any, send: Any
    ) -> ResponseBuilder | None:
        record = partial(self._activity.record, authorization.project_id, request)
        record()
        proxy: HttpProxy | WebSocketProxy
        if request.is_socket:
            proxy = WebSocketProxy(receive, send, record, self._blocked_writers)
        else:
            proxy = HttpProxy(receive, send)
        try:
            with self._connections.track(
                request.credential, authorization.project_id
            ) as connection:
                async with self._upstreams.acquire(authorization.address) as upstream:
                    await proxy.run(request, upstream, authorization.token, connection)
        except PROXY_FAILURES as failure:
            return None if proxy.started else _failure(failure)
        except (ClientError, OSError):
            return None if proxy.started else await self._explain_no_answer(request, authorization)
        if connection.cancelled and not proxy.started:
            now = await self._authorizations.get(request.credential)
            return responses.sign_in if now.decision is Decision.ALLOWED else _refusal(now)
        if connection.cancelled and isinstance(proxy, WebSocketProxy):
            await proxy.close_access_ended()
        return None

    async def _explain_no_answer(
        self, request: GatewayRequest, used: Authorization
    ) -> ResponseBuilder:
        """Return why a notebook does not answer: it may have been stopped or started just now."""
        now = await self._authorizations.ask_again(request.credential)
        if now.decision is not Decision.ALLOWED:
            return _refusal(now)
        if now.address != used.address:
            return partial(responses.not_running, state=ProjectState.SPAWNING)
        return responses.no_answer


async def redeem_ticket(request: GatewayRequest) -> ResponseBuilder:
    """Answer at `ENTER_PATH`: swap the browser's ticket for a cookie, or send it for a ticket.

    A browser comes without a cookie, gets a secret that it alone holds, and goes to the portal,
    which signs its person in and makes a ticket. With the ticket it comes back here, gets the
    cookie that `authorize` knows, and goes on to the notebook.
    """
    if request.method != "GET" or request.is_socket:
        return lambda _request: GatewayResponse(405, headers=[(b"allow", b"GET")])
    query = parse_qs(request.target.partition("?")[2], keep_blank_values=True)
    if "ticket" not in query and is_label(request.label):
        return partial(responses.redirect_to_portal, path=query.get("path", [""])[0])
    secret = get_cookie(request.headers, entrant_cookie_name())
    entrant = digest(secret) if secret else ""
    ticket = query.get("ticket", [""])[0]
    entry = await _redeem(ticket, request.label, entrant, request.credential.cookie)
    return (
        partial(responses.redirect_to_notebook, entry=entry) if entry else responses.invalid_ticket
    )


def _answer_before_authorizing(request: GatewayRequest) -> ResponseBuilder | None:
    """Return the answer to a request for which it does not matter who sent it."""
    if is_preflight(request):
        return lambda asked: GatewayResponse(204, headers=preflight_headers(asked))
    if is_cross_site(request):
        return responses.cross_site
    return responses.redirect_without_token if request.had_token and request.is_navigation else None


def _refusal(authorization: Authorization) -> ResponseBuilder:
    if authorization.decision is Decision.NOT_RUNNING:
        return partial(responses.not_running, state=authorization.state)
    return REFUSALS[authorization.decision]


def _failure(failure: Exception) -> ResponseBuilder:
    """Return the answer to a request that was not passed on, or not answered as HTTP allows."""
    match failure:
        case TooManyConnections():
            return responses.too_many_connections
        case HeadTooLarge():
            return partial(responses.head_too_large, reason=failure)
        case BodyTooLarge():
            return responses.body_too_large
        case HandshakeRejected():
            return _refused(failure.status)
    return responses.bad_answer


def _refused(status: int) -> ResponseBuilder:
    """Return the answer for a notebook server that refuses to open a WebSocket."""
    if 400 <= status < 600:
        return lambda _request: GatewayResponse(status)
    return responses.no_answer if 200 <= status < 400 else responses.bad_answer
