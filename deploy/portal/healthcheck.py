#!/usr/bin/env python3
"""Check that worker or watch does its work, for Kubernetes' probes: exit code 1 if it does not.

    healthcheck.py worker http://bindery
    healthcheck.py alive /tmp/alive

A process can be alive and deaf. watch answers for itself, whether it leads or stands by: it touches
a file every few seconds (``manage.py watch --alive``). That no worker takes tasks, only the
database shows. ``/health`` of a web process looks there, so this needs neither Django nor a second.
Only the stable words of ``states`` count, never a sentence. If web does not answer, or says nothing
about the part, the part counts as healthy: the problem is then somewhere else.
"""

from __future__ import annotations

import json
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

ALIVE_SECONDS = 120
"""A file that has not been touched for this long belongs to a process that does nothing."""
FAILING = "failing"
"""As in `portal.health.checks`."""


def main(part: str, address: str) -> int:
    """Return the exit code for a part, or for a file."""
    if part == "alive":
        try:
            return int(time.time() - Path(address).stat().st_mtime > ALIVE_SECONDS)
        except FileNotFoundError:
            return 1
    connection = HTTPConnection(urlsplit(address).netloc, timeout=5)
    try:
        connection.request("GET", "/health", headers={"Host": "localhost"})
        state = json.loads(connection.getresponse().read())["states"][part]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return 0
    finally:
        connection.close()
    return int(state == FAILING)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
