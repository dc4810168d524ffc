"""Open the portal's listening socket, and ask the portal there whether it is healthy.

`manage.py up` uses it and keeps the socket open for the web process.
"""

from __future__ import annotations

import errno
import json
import socket
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import CommandError
from django.utils.translation import gettext as _

from portal.health.checks import OK, REQUIRED_PARTS

PORT_WAIT = 5.0
"""Seconds that a portal killed just now has to release its port."""


def listen() -> socket.socket:
    """Return the socket for the web process.

    It stays open while web restarts, so visitors only wait. Raises `CommandError` with a sentence
    if the address is not available.
    """
    host, port = settings.PORTAL_HOST, settings.PORTAL_PORT
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    give_up = time.monotonic() + PORT_WAIT
    while True:
        try:
            listener = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            if time.monotonic() < give_up and error.errno == errno.EADDRINUSE:
                time.sleep(0.1)
                continue
            text = _("Bindery cannot listen on %(host)s, port %(port)s: %(why)s. Set PORTAL_PORT.")
            raise CommandError(text % {"host": host, "port": port, "why": error.strerror}) from None
        # Accepted connections inherit this. Web does not set it, because it takes an inherited
        # socket for one without a network; each answer's body then waited 40 ms for the
        # acknowledgement of its header.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener


def unhealthy_parts(listener: socket.socket) -> dict[str, str]:
    """Return the checks of ``/health`` that keep launches from working; empty if there are none."""
    host, port = listener.getsockname()[:2]
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  asked, not listened on
    connection = HTTPConnection(anywhere.get(host, host), port, timeout=2)
    try:
        connection.request("GET", "/health", headers={"Host": urlsplit(settings.PORTAL_URL).netloc})
        checks: dict[str, str] = json.loads(connection.getresponse().read())["checks"]
    except (OSError, HTTPException, ValueError, KeyError) as error:
        return {"web": str(error) or type(error).__name__}
    finally:
        connection.close()
    return {name: state for name, state in checks.items() if name in REQUIRED_PARTS and state != OK}
