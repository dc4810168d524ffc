"""``manage.py doctor``: find out what is wrong with an installation, and how to fix it.

Each module has checks of one subject: functions that yield a `Finding` for whatever is not as it
should be. `runner` lists them in order of importance and runs them.
"""

from __future__ import annotations

from dataclasses import dataclass

import requests
from django.utils.translation import gettext as _

from sessions.backends import Problem

MAX_LENGTH = 300


@dataclass(frozen=True)
class Finding(Problem):
    """A `Problem`; with ``advice``, something that works but could be better."""

    advice: bool = False


def short_message(error: Exception) -> str:
    """Return the error's message as part of a sentence, at most `MAX_LENGTH` characters."""
    return " ".join(str(error).split()).rstrip(".")[:MAX_LENGTH]


def failure_reason(error: Exception) -> str:
    """Return why an HTTP request failed; the library's own messages are long and about itself."""
    if isinstance(error, requests.exceptions.SSLError):
        return _("its certificate is not trusted")
    if isinstance(error, requests.Timeout):
        return _("it did not respond in time")
    if isinstance(error, requests.ConnectionError):
        is_unknown = "resolve" in str(error).lower() or "Name or service" in str(error)
        return _("its name does not resolve") if is_unknown else _("the connection failed")
    if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.InvalidURL):
        return _("its response is invalid")
    return short_message(error)
