"""The trusted Git hosts: that there are such, and that they are not the portal."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _

from portal.doctor.finding import Finding
from sessions.providers import rules


def check() -> Iterator[Finding]:
    for entry in settings.PORTAL_TRUSTED_GIT_HOSTS:
        if entry == settings.PORTAL_OWN_ADDRESS:
            continue
        host = entry.rpartition(":")[0] if entry.rpartition(":")[2].isdecimal() else entry
        try:
            socket.getaddrinfo(host.strip("[]"), None)
        except OSError as error:
            yield Finding(
                "doctor.git-host",
                _("%(host)s of PORTAL_TRUSTED_GIT_HOSTS leads nowhere: %(why)s.")
                % {"host": host, "why": error},
                _("Mend the name, or the resolver of this machine."),
                advice=True,
            )
        else:
            yield from _of_this_machine(entry, host.strip("[]"))


def _of_this_machine(entry: str, host: str) -> Iterator[Finding]:
    """Warn of an entry without a port: all that listens on this machine is open to git then."""
    if not rules().is_portal(host, settings.PORTAL_PORT):
        return
    if entry.endswith(f":{settings.PORTAL_PORT}"):
        message = _("%(host)s of PORTAL_TRUSTED_GIT_HOSTS is the portal itself, and stays closed.")
    elif entry.rpartition(":")[2].isdecimal() and host != entry.strip("[]"):
        return
    else:
        message = _("%(host)s of PORTAL_TRUSTED_GIT_HOSTS is this machine, with all of its ports.")
    yield Finding(
        "doctor.git-host-port",
        message % {"host": entry},
        _("Name the port of its Git server: host:port."),
        advice=True,
    )
