#!/usr/bin/env python3
"""Whether worker or watch do their work, for Kubernetes to ask: exit code 1 when they do not.

    well.py worker http://bindery

A process can be alive and deaf, and only the database shows it. ``/health`` of a web process
looks there, so this needs neither Django nor a second. Where web does not answer, nobody is
taken for sick: what is wrong then is something else.
"""

from __future__ import annotations

import json
import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

UNHEALTHY = {"worker": "tasks wait for too long", "watch": "no sign of life"}


def main(part: str, address: str) -> int:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=5)
    try:
        connection.request("GET", "/health", headers={"Host": "localhost"})
        state = json.loads(connection.getresponse().read())["checks"][part]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return 0
    finally:
        connection.close()
    return int(state == UNHEALTHY[part])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
