"""Wait for something that others do, using little CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PAUSE = 0.05


def until(is_there: Callable[[], bool], within: float, what: str) -> float:
    """Wait until ``is_there``; return the seconds that it took. Raises `TimeoutError`."""
    began = time.monotonic()
    while not is_there():
        if time.monotonic() - began > within:
            raise TimeoutError(f"{what}: not within {within:g} s")
        time.sleep(PAUSE)
    return time.monotonic() - began


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Return whether a good answer comes from there now."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers=dict(headers or {}))
        return connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
