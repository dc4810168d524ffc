"""The gateway's own answers: a page for a person, JSON for a program.

No answer reveals whether a project exists to somebody who may not know.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from keys import authentication
from keys.models import digest
from portal.lib.logs import context
from portal.server.heads import CLEAR_COOKIES, TOO_MANY_COOKIES, deletion_headers, is_conflicting
from sessions.jupyter_gateway import MAX_BODY
from sessions.states import ProjectState

from .authorize import NOTEBOOK_SCOPE
from .headers import Headers, HeadTooLarge
from .hosts import (
    cookie_name,
    entrant_cookie_name,
    is_label,
    origin_of,
    transport_security,
)
from .request import GatewayRequest, for_origin, get_cookie
from .tickets import MAX_PATH_LENGTH, Entry, safe_path

STARTING_STATES = frozenset({ProjectState.WAITING, ProjectState.BUILDING, ProjectState.SPAWNING})
CONTENT_SECURITY_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
REFRESH_SECONDS = 2
"""Seconds after which a waiting page reloads."""


@dataclass
class GatewayResponse:
    """A whole HTTP answer."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


@dataclass
class Notice:
    """A message to the visitor, before it becomes a page or JSON.

    ``code`` is stable. ``refresh`` is the number of seconds after which to try again, 0 for never.
    ``label`` names the project whose portal page the button links to, if there is a button
    (``action`` is its text). ``reference`` is set where the cause may be a fault.
    """

    status: int
    code: str
    title: str
    message: str
    refresh: int = 0
    label: str = ""
    action: str = ""
    reference: str = ""


def render_notice(request: GatewayRequest, notice: Notice) -> GatewayResponse:
    """Return a notice in the format and language that the visitor asks for."""
    form = _page_response if request.wants_page else _json_response
    response = form(notice)
    response.headers += [(b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")]
    response.headers.append((b"content-length", str(len(response.body)).encode()))
    if notice.refresh:
        response.headers.append((b"retry-after", str(notice.refresh).encode()))
    if notice.status == 401:
        response.headers.append((b"www-authenticate", b"Bearer"))
    return response


def _page_response(notice: Notice) -> GatewayResponse:
    context = {
        "title": notice.title,
        "message": notice.message,
        "action_url": project_page(notice.label) if notice.action else "",
        "action_label": notice.action,
        "refresh": notice.refresh,
        "reference": notice.reference,
    }
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", CONTENT_SECURITY_POLICY),
    ]
    return GatewayResponse(
        notice.status, render_to_string("gateway/notice.html", context).encode(), headers
    )


def _json_response(notice: Notice) -> GatewayResponse:
    # JupyterLab shows people what is in `message`.
    content = {"code": notice.code, "detail": notice.message, "message": notice.message}
    if notice.reference:
        content["reference"] = notice.reference
    headers = [(b"content-type", b"application/json")]
    return GatewayResponse(notice.status, json.dumps(content).encode(), headers)


def language_of(request: GatewayRequest) -> str:
    """Return the visitor's language, from those that the site has."""
    django_request = HttpRequest()
    django_request.META["HTTP_ACCEPT_LANGUAGE"] = request.header(b"accept-language")
    return translation.get_language_from_request(django_request)


def project_page(label: str) -> str:
    """Return the URL of the project's page on the portal."""
    return f"{settings.PORTAL_URL}/projects/{label}/"


def sign_in(request: GatewayRequest) -> GatewayResponse:
    """Send a person to the portal to sign in; tell a program which credentials to send.

    At a host that no notebook can have, there is nothing to sign in for.
    """
    if not is_label(request.label):
        return not_found(request)
    if request.is_navigation:
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


def redirect_to_notebook(request: GatewayRequest, entry: Entry) -> GatewayResponse:
    """Redirect to the notebook, with the cookie that opens it and without the ticket."""
    return _redirect(entry.path, _cookie(cookie_name(), entry.cookie))


def redirect_without_token(request: GatewayRequest) -> GatewayResponse:
    """Redirect a tab to the same address without the token that was in it."""
    return _redirect(safe_path(request.target) or "/")


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


def not_found(request: GatewayRequest) -> GatewayResponse:
    """Answer 404: there is no such notebook, or the visitor may not open it."""
    message = _("This notebook does not exist, or it is not yours.")
    return render_notice(request, Notice(404, "gateway.not-found", _("Not found"), message))


def no_scope(request: GatewayRequest) -> GatewayResponse:
    """Answer 403: the API token lacks the scope for notebooks."""
    notice = Notice(
        403,
        authentication.MISSING_SCOPE_CODE,
        _("Refused"),
        authentication.missing_scope_message(NOTEBOOK_SCOPE),
    )
    response = render_notice(request, notice)
    response.headers.append(
        (b"www-authenticate", authentication.challenge(NOTEBOOK_SCOPE).encode())
    )
    return response


def cross_site(request: GatewayRequest) -> GatewayResponse:
    """Answer 403: another site made the request."""
    message = _(
        "This request came from another site, so it was refused. Open the notebook directly."
    )
    return render_notice(request, Notice(403, "gateway.origin", _("Refused"), message))


def not_running(request: GatewayRequest, state: str) -> GatewayResponse:
    """Answer 503: the notebook is starting or being stopped, so wait; or it is stopped.

    A stopped notebook starts on the portal's page only.
    """
    if state in STARTING_STATES:
        title, message = _("Your notebook is starting"), _("It opens here as soon as it is ready.")
        refresh, action = REFRESH_SECONDS, _("See its progress")
    elif state == ProjectState.STOPPING:
        title = _("Your notebook is being stopped")
        message = _("Your files are kept. After that, you can start it on the project's page.")
        refresh, action = REFRESH_SECONDS, _("Go to the project")
    else:
        title = _("Your notebook is not running")
        message = _("Your files are kept. Start it on the project's page.")
        refresh, action = 0, _("Go to the project")
    notice = Notice(503, "gateway.not-running", title, message, refresh, request.label, action)
    return render_notice(request, notice)


def no_answer(request: GatewayRequest) -> GatewayResponse:
    """Answer 503: the notebook server should be running, but does not answer."""
    title = _("Your notebook does not answer")
    message = _(
        "It should be running, but does not answer. If this goes on, stop it and start it again."
    )
    action = _("Go to the project")
    notice = Notice(503, "gateway.no-answer", title, message, 5, request.label, action)
    notice.reference = context.reference()
    return render_notice(request, notice)


def bad_answer(request: GatewayRequest) -> GatewayResponse:
    """Answer 502: the notebook server sent something that HTTP does not allow."""
    message = _("Its response is not valid HTTP. Check the application that runs in it.")
    notice = Notice(502, "gateway.bad-answer", _("Your notebook sent an invalid response"), message)
    notice.label, notice.action = request.label, _("Go to the project")
    return render_notice(request, notice)


def head_too_large(request: GatewayRequest, reason: HeadTooLarge) -> GatewayResponse:
    """Answer 431 (or 414): the notebook's server would not read the request's headers."""
    refusal = reason.refusal
    notice = Notice(refusal.status, refusal.code, refusal.phrase, refusal.detail)
    response = render_notice(request, notice)
    if refusal is TOO_MANY_COOKIES:
        response.headers.append(CLEAR_COOKIES)
    return response


def body_too_large(request: GatewayRequest) -> GatewayResponse:
    """Answer 413: the notebook's server would not read the request's body."""
    message = _(
        "A request to a notebook may have up to %(size)d MB. Upload larger files with JupyterLab's "
        "file browser, which sends them in parts."
    ) % {"size": MAX_BODY // 1024**2}
    title = _("This is too large")
    return render_notice(request, Notice(413, "gateway.body-too-large", title, message))


def too_many_connections(request: GatewayRequest) -> GatewayResponse:
    """Answer 429: too many requests to this notebook are open."""
    title = _("Too many requests")
    message = _("Too many requests to this notebook are open at once. Close some of its tabs.")
    return render_notice(request, Notice(429, "gateway.too-many", title, message, 5))


def unavailable(request: GatewayRequest) -> GatewayResponse:
    """Answer 503: the portal cannot look up who may open the notebook."""
    title = _("The portal has a problem")
    message = _("It cannot check who may open this notebook right now. Try again in a minute.")
    notice = Notice(503, "gateway.unavailable", title, message, 10, reference=context.reference())
    return render_notice(request, notice)


async def send_response(response: GatewayResponse, request: GatewayRequest, send: Any) -> None:
    """Send an answer; for a WebSocket, instead of opening it."""
    part = "websocket.http.response" if request.is_socket else "http.response"
    headers = for_origin([*response.headers, *transport_security()], request)
    await send({"type": f"{part}.start", "status": response.status, "headers": headers})
    await send({"type": f"{part}.body", "body": response.body})
    if request.is_socket:
        # The server now closes the connection; returning earlier would look like an error.
        await asyncio.sleep(0)
