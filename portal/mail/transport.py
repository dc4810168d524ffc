"""The mail server's address, as Django's settings want it, and whom operators want told.
`settings` is the one caller.
"""

from __future__ import annotations

from email.utils import parseaddr
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from portal.lib.env import Environment

PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 587, "smtp+ssl": 465}
"""Where none is given."""


def mail_server(environment: Environment, url: str, sender: str) -> dict[str, Any]:
    """Django's settings by their names; empty without an address, or where it is wrong."""
    if not url:
        return {}
    if "@" not in parseaddr(sender)[1] or not sender.isprintable():
        hint = "Give an address, such as Bindery <bindery@example.org>."
        environment.wrong("portal.E008", "PORTAL_EMAIL_FROM", f"is “{sender}”", hint)
    try:
        return _settings(url)
    except (ImproperlyConfigured, ValueError):  # not said which: there may be a password in it
        hint = "Give smtp://host, smtp+tls://user:password@host:587 or smtp+ssl://…"
        environment.wrong("portal.E008", "PORTAL_EMAIL_URL", "is no address of a mail server", hint)
        return {}


def operators(environment: Environment, words: list[str]) -> list[str]:
    """Those of ``PORTAL_OPERATORS_MAIL`` that are addresses."""
    for word in words:
        if not _is_address(word):
            hint = "Give addresses such as ops@example.org, separated by commas."
            environment.wrong("portal.E009", "PORTAL_OPERATORS_MAIL", f"has “{word}”", hint)
    return [word for word in words if _is_address(word)]


def _is_address(word: str) -> bool:
    return parseaddr(word)[1] == word and 0 < word.find("@") < len(word) - 1


def _settings(url: str) -> dict[str, Any]:
    found: dict[str, Any] = environ.Env.email_url_config(url)
    scheme = url.partition(":")[0].lower()
    if scheme in PORTS and not found["EMAIL_HOST"]:
        raise ValueError(url)
    absent = {name: "" for name, value in found.items() if value is None}
    return {**found, **absent, "EMAIL_PORT": found["EMAIL_PORT"] or PORTS.get(scheme, 25)}
