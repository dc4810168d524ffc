"""The ASGI application: notebooks' hosts go to the gateway, everything else to the portal.

The two meet nowhere else: Django's middleware never sees a request to a notebook. Only the
``Host`` header decides which it is, never a header that a proxy's client could add.
"""

from __future__ import annotations

import gc
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup(set_prefix=False)

# Modules with models can be imported only after django.setup().
from channels.auth import AuthMiddleware  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.sessions import SessionMiddlewareStack  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import get_resolver, re_path  # noqa: E402
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: E402

from keys.authentication import bearer_token  # noqa: E402
from portal.accounts.middleware import SocketSessionRekey  # noqa: E402
from portal.handler import PortalHandler  # noqa: E402
from portal.health.metrics import collectors  # noqa: E402
from portal.lib.logs import requests  # noqa: E402
from portal.server import has_limits  # noqa: E402
from portal.server.heads import SessionCookieFilter  # noqa: E402
from sessions.gateway import hosts  # noqa: E402
from sessions.gateway.app import Gateway  # noqa: E402
from sessions.progress.consumers import routes  # noqa: E402

UNBOUNDED_MESSAGE = (
    "web does not limit what clients send, and cannot open notebooks' WebSockets. Start "
    "uvicorn with --http portal.server.connection:Http, or set UVICORN_HTTP to that."
)


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answer a WebSocket handshake with 403."""
    await receive()
    await send({"type": "websocket.close", "code": 4403})


class OriginCheck:
    """Restrict WebSockets to the portal's own pages and to programs that send a token.

    Browsers send cookies with a WebSocket that another site's page opens; the ``Origin`` header
    gives it away.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the socket on, or refuse it if the origin is another site's."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        token = bearer_token(headers.get(b"authorization", b"").decode("latin-1"))
        if origin == hosts.origin(settings.PORTAL_URL) or (token and not origin):
            await self._inner(scope, receive, send)
        else:
            await _refuse(scope, receive, send)


class Application:
    """The application without logging: dispatches by host, and owns the gateway until shutdown."""

    def __init__(self) -> None:
        nowhere: Any = _refuse
        sockets: list[Any] = [*routes, re_path("", nowhere)]
        person = SocketSessionRekey(AuthMiddleware(URLRouter(sockets)))
        socket = OriginCheck(SessionMiddlewareStack(person))
        self._portal = SessionCookieFilter(
            ProtocolTypeRouter({"http": PortalHandler(), "websocket": socket})
        )
        self._gateway = Gateway()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send a request or socket to the portal or the gateway by its one ``Host`` header.

        Starts and ends the gateway with the server's lifespan.
        """
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        label = hosts.label_of(named[0]) if len(named) == 1 else None
        if label is None:
            await self._portal(scope, receive, send)
        else:
            await self._gateway(label, scope, receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        if not has_limits():
            await send({"type": "lifespan.startup.failed", "message": UNBOUNDED_MESSAGE})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._gateway.close()
        await send({"type": "lifespan.shutdown.complete"})


def behind_proxies(inner: Any) -> Any:
    """Wrap ``inner`` so that only the trusted proxies may say whose request it is.

    The server that runs it must not do so itself (``--no-proxy-headers``): uvicorn trusts its own
    machine.
    """
    return ProxyHeadersMiddleware(inner, settings.PORTAL_TRUSTED_PROXIES)


_logging = [requests.log_request] if settings.PORTAL_LOG_REQUESTS else []
application = requests.RequestsMiddleware(
    behind_proxies(Application()),
    on_start=[collectors.count_start],
    on_end=[collectors.count_end, *_logging],
)

# Load all pages, then exempt everything loaded from garbage collection: each full collection
# used to hold up all requests for a tenth of a second.
get_resolver().url_patterns  # noqa: B018
gc.collect()
gc.freeze()
