"""Describe one finding of a check, and put an error into words."""

from __future__ import annotations

from dataclasses import dataclass

import requests
from django.utils.translation import gettext as _

from sessions.backends import Problem


@dataclass(frozen=True)
class Finding(Problem):
    """A `Problem`; with ``advice``, something that works but could be better."""

    advice: bool = False


MAX_LENGTH = 300


def short_message(error: Exception) -> str:
    """Return the error's message as part of a sentence, at most `MAX_LENGTH` characters."""
    return " ".join(str(error).split()).rstrip(".")[:MAX_LENGTH]


def failure_reason(error: Exception) -> str:
    """Return why an HTTP request failed; the library's own messages are long and about itself."""
    if isinstance(error, requests.exceptions.SSLError):
        return _("its certificate is not believed")
    if isinstance(error, requests.Timeout):
        return _("it does not answer in time")
    if isinstance(error, requests.ConnectionError):
        is_unknown = "resolve" in str(error).lower() or "Name or service" in str(error)
        return _("its name leads nowhere") if is_unknown else _("the connection fails")
    if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.InvalidURL):
        return _("its answer makes no sense")
    return short_message(error)
