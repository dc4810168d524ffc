"""Parse the mail server's address and the operators' addresses from the environment.

Only `settings` calls it.
"""

from __future__ import annotations

from email.utils import parseaddr
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from portal.lib.env import Environment

PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 587, "smtp+ssl": 465}
"""Default ports by scheme."""


def mail_settings(environment: Environment, url: str, sender: str) -> dict[str, Any]:
    """Return Django's mail settings by name; empty if there is no address or it is wrong.

    ``url`` is the mail server's address, such as ``smtp://host``, and ``sender`` who mails are
    from. Mistakes in them are added to the problems of ``environment``.
    """
    if not url:
        return {}
    if "@" not in parseaddr(sender)[1] or not sender.isprintable():
        hint = "Use an address, such as Bindery <bindery@example.org>."
        environment.add_problem("portal.E008", "PORTAL_EMAIL_FROM", f"is “{sender}”", hint)
    try:
        return _settings(url)
    except (ImproperlyConfigured, ValueError):  # do not quote it: it may hold a password
        hint = "Use smtp://host, smtp+tls://user:password@host:587 or smtp+ssl://…"
        environment.add_problem(
            "portal.E008", "PORTAL_EMAIL_URL", "is not the address of a mail server", hint
        )
        return {}


def operator_addresses(environment: Environment, words: list[str]) -> list[str]:
    """Return the words of ``PORTAL_OPERATORS_MAIL`` that are addresses; report the others."""
    for word in words:
        if not _is_address(word):
            hint = "Use addresses such as ops@example.org, separated by commas."
            environment.add_problem(
                "portal.E009", "PORTAL_OPERATORS_MAIL", f"contains “{word}”", hint
            )
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
