"""Signing in to a registry, as pure functions: credentials, and what a registry asks for.

Formats: docker's ``config.json``; RFC 9110 (11.6.1) for challenges; the token specification of
the distribution project for what comes after one. `registryanswers` sends what is made here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

_BEARER = re.compile(r"(?:^|,\s*)Bearer\s+(.*)", re.IGNORECASE | re.DOTALL)
_BASIC = re.compile(r"(?:^|,\s*)Basic\b", re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+)\s*=\s*"([^"]*)"')
_TOKEN = re.compile(r"[!-~]{1,16384}")


@dataclass(frozen=True)
class Challenge:
    """What a registry wants to see: a token from ``realm``, or credentials where that is ""."""

    realm: str = ""
    service: str = ""
    scope: str = ""

    def token_url(self) -> str:
        """Where the token is asked for."""
        asked = {"service": self.service, "scope": self.scope}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{self.realm}{'&' if urlsplit(self.realm).query else '?'}{query}"


def login(config: str, address: str) -> str:
    """What a docker ``config.json`` has for a registry: ``user:password`` in base64, or "".

    As docker does: the entry that is named so, else the one whose host is. Raises ValueError,
    without a word of the text, where that is no such file.
    """
    if not config.strip():
        return ""
    entries = _entries(config)
    named = [entries[address]] if address in entries else []
    hosted = [entry for name, entry in entries.items() if _host(name) == address]
    return _encoded(next(iter(named + hosted), {}))


def _entries(config: str) -> Mapping[str, Any]:
    try:
        entries = json.loads(config).get("auths", {})
        if all(isinstance(entry, dict) for entry in entries.values()):
            return dict(entries)
    except (ValueError, AttributeError):
        pass  # the error has the text in it
    raise ValueError("is no docker config.json")


def _host(name: str) -> str:
    return re.sub(r"^https?://", "", name).partition("/")[0]


def _encoded(entry: Mapping[str, Any]) -> str:
    if entry.get("auth"):
        return _checked(str(entry["auth"]))
    if entry.get("username"):
        plain = f"{entry['username']}:{entry.get('password', '')}"
        return base64.b64encode(plain.encode()).decode()
    return ""


def _checked(encoded: str) -> str:
    try:
        if b":" in base64.b64decode(encoded, validate=True):
            return encoded
    except (binascii.Error, ValueError):
        pass
    raise ValueError("has an “auth” that is not user:password in base64")


def challenge(header: str, scope: str) -> Challenge | None:
    """What a ``WWW-Authenticate`` asks for; ``scope`` counts where it names none."""
    if bearer := _BEARER.search(header):
        fields: dict[str, str] = {}
        for name, value in _PARAMETER.findall(bearer[1]):
            fields.setdefault(name.lower(), value)
        return Challenge(
            fields.get("realm", ""), fields.get("service", ""), fields.get("scope", scope)
        )
    return Challenge() if _BASIC.search(header) else None


def token(body: bytes) -> str:
    """The token in the answer of a realm, or "" where there is none that could be sent on."""
    try:
        answer = json.loads(body)
        found = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return found if isinstance(found, str) and _TOKEN.fullmatch(found) else ""
