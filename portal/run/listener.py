"""The address that the portal listens on, and asking the portal there whether it is well.

For `manage.py up`, which holds the door open for the web process.
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

from portal.health.checks import NEEDED, OK

PORT_WAIT = 5.0
"""Seconds for a portal that was killed just now to let go of its port."""


def listen() -> socket.socket:
    """The socket that web is handed. It stays open while web is restarted: visitors only wait.

    Raises `CommandError` with a sentence when the address cannot be had.
    """
    host, port = settings.PORTAL_HOST, settings.PORTAL_PORT
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    give_up = time.monotonic() + PORT_WAIT
    while True:
        try:
            door = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            if time.monotonic() < give_up and error.errno == errno.EADDRINUSE:
                time.sleep(0.1)
                continue
            text = _("Bindery cannot listen on %(host)s, port %(port)s: %(why)s. Set PORTAL_PORT.")
            raise CommandError(text % {"host": host, "port": port, "why": error.strerror}) from None
        # What it accepts has this, too. Web does not set it: it takes a handed-down socket for one
        # without a network, and each answer's body then waited 40 ms for its header's receipt.
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return door


def what_is_wrong(door: socket.socket) -> dict[str, str]:
    """The checks of ``/health`` that keep launches from working; empty when none does."""
    host, port = door.getsockname()[:2]
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  asked, not listened on
    connection = HTTPConnection(anywhere.get(host, host), port, timeout=2)
    try:
        connection.request("GET", "/health", headers={"Host": urlsplit(settings.PORTAL_URL).netloc})
        checks: dict[str, str] = json.loads(connection.getresponse().read())["checks"]
    except (OSError, HTTPException, ValueError, KeyError) as error:
        return {"web": str(error) or type(error).__name__}
    finally:
        connection.close()
    return {name: state for name, state in checks.items() if name in NEEDED and state != OK}
