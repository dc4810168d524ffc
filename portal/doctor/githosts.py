"""The trusted Git hosts: that there are such."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _

from portal.doctor.finding import Finding


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
