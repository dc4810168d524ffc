"""Let a browser in: send it to the portal for a ticket, and swap the ticket for a cookie.

A browser comes here without a cookie, gets a secret that it alone holds, and goes to the portal,
which signs its person in and makes a ticket (`tickets`). With the ticket it comes back to
`ENTER_PATH`, gets the cookie that `authorize` knows, and goes on to the notebook.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs, urlencode, urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.utils.translation import gettext as _

from keys.models import digest
from portal.server.heads import deletion_headers, is_conflicting

from . import tickets
from .hosts import cookie_name, entrant_cookie_name, is_label, origin_of
from .request import GatewayRequest, get_cookie
from .responses import GatewayResponse, Notice, project_page, render_notice
from .tickets import MAX_PATH_LENGTH, Entry

_redeem = database_sync_to_async(tickets.redeem, thread_sensitive=False)


def sign_in(request: GatewayRequest) -> GatewayResponse:
    """Send a person to the portal to sign in; tell a program which credentials to send."""
    if request.is_navigation and is_label(request.label):
        return redirect_to_portal(request, request.target)
    message = _("To open this notebook, sign in to the portal or send an API token.")
    return render_notice(request, Notice(401, "gateway.sign-in", _("Please sign in"), message))


def redirect_to_portal(request: GatewayRequest, path: str) -> GatewayResponse:
    """Redirect to the portal for a ticket, with a secret that only this browser holds."""
    name = entrant_cookie_name()
    held = get_cookie(request.headers, name)
    secret = held or secrets.token_urlsafe(32)
    query = {"path": path if len(path) <= MAX_PATH_LENGTH else "/", "entrant": digest(secret)}
    cookies = [] if held else [_cookie(name, secret)]
    for planted in (name, cookie_name()):
        if is_conflicting(request.headers, planted):
            host = urlsplit(origin_of(request.label)).hostname or ""
            cookies = [*deletion_headers(planted, host, request.path), *cookies]
    return _redirect(f"{project_page(request.label)}open/?{urlencode(query)}", *cookies)


async def redeem_ticket(request: GatewayRequest) -> Callable[[GatewayRequest], GatewayResponse]:
    """Answer at `ENTER_PATH`: let the browser in, or send it to the portal if it has no ticket.

    Return the function that builds the answer, once the visitor's language is set.
    """
    if request.method != "GET" or request.is_socket:
        return lambda _request: GatewayResponse(405, headers=[(b"allow", b"GET")])
    query = parse_qs(request.target.partition("?")[2], keep_blank_values=True)
    if "ticket" not in query and is_label(request.label):
        return partial(redirect_to_portal, path=query.get("path", [""])[0])
    secret = get_cookie(request.headers, entrant_cookie_name())
    entrant = digest(secret) if secret else ""
    ticket = query.get("ticket", [""])[0]
    entry = await _redeem(ticket, request.label, entrant, request.credential.cookie)
    return partial(redirect_to_notebook, entry=entry) if entry else invalid_ticket


def redirect_to_notebook(request: GatewayRequest, entry: Entry) -> GatewayResponse:
    """Redirect to the notebook, with the cookie that opens it and without the ticket."""
    return _redirect(entry.path, _cookie(cookie_name(), entry.cookie))


def invalid_ticket(request: GatewayRequest) -> GatewayResponse:
    """Answer 410: the ticket is used, too old, or for another browser."""
    message = _(
        "This link was already used, has expired, or is for another browser. Open the notebook "
        "again, and allow its host to set cookies."
    )
    notice = Notice(410, "gateway.ticket", _("This link no longer works"), message)
    notice.label, notice.action = request.label, _("Go to the project")
    return render_notice(request, notice)


def _redirect(location: str, *headers: tuple[bytes, bytes]) -> GatewayResponse:
    """Return a redirect to ``location`` that must not be cached."""
    quiet = [(b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")]
    return GatewayResponse(302, b"", [(b"location", location.encode()), *quiet, *headers])


def _cookie(name: str, secret: str) -> tuple[bytes, bytes]:
    """Return a ``Set-Cookie`` header for this host only, hidden from scripts."""
    attributes = "; Path=/; HttpOnly; SameSite=Lax"
    secure = "; Secure" if settings.GATEWAY_SCHEME == "https" else ""
    return (b"set-cookie", f"{name}={secret}{attributes}{secure}".encode())
