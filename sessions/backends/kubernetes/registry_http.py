"""Send requests to a registry: signed in where it asks for that, bounded in time and size.

`registry` knows what to ask and what an answer means. Signing in is done by pure functions; formats
are docker's ``config.json``, RFC 9110 (11.6.1) for challenges, and the distribution project's token
specification for what follows one. Whatever prevents an answer is a `TemporaryError` with a
sentence.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from django.utils.translation import gettext as _
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ReadTimeoutError, SSLError

from sessions.errors import TemporaryError

_BEARER = re.compile(r"(?:^|,\s*)Bearer\s+(.*)", re.IGNORECASE | re.DOTALL)
_BASIC = re.compile(r"(?:^|,\s*)Basic\b", re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+)\s*=\s*"([^"]*)"')
_TOKEN = re.compile(r"[!-~]{1,16384}")


@dataclass(frozen=True)
class Challenge:
    """A registry's demand: a token from ``realm``, or credentials if that is ""."""

    realm: str = ""
    service: str = ""
    scope: str = ""

    def token_url(self) -> str:
        """Return the URL that issues the token."""
        parameters = {"service": self.service, "scope": self.scope}
        query = urlencode({name: value for name, value in parameters.items() if value})
        return f"{self.realm}{'&' if urlsplit(self.realm).query else '?'}{query}"


def registry_login(config: str, address: str) -> str:
    """Return a docker ``config.json``'s login for a registry: ``user:password`` in base64, or "".

    As docker does: the entry with that name, else the one with that host. Raises ValueError,
    without any of the text, if it is not such a file.
    """
    if not config.strip():
        return ""
    entries = _parse_config(config)
    named = [entries[address]] if address in entries else []
    hosted = [entry for name, entry in entries.items() if _host(name) == address]
    return _encode_login(next(iter(named + hosted), {}))


def _parse_config(config: str) -> Mapping[str, Any]:
    try:
        entries = json.loads(config).get("auths", {})
        if all(isinstance(entry, dict) for entry in entries.values()):
            return dict(entries)
    except (ValueError, AttributeError):
        pass  # the error has the text in it
    raise ValueError("is no docker config.json")


def _host(name: str) -> str:
    return re.sub(r"^https?://", "", name).partition("/")[0]


def _encode_login(entry: Mapping[str, Any]) -> str:
    if entry.get("auth"):
        return _validate_login(str(entry["auth"]))
    if entry.get("username"):
        plain = f"{entry['username']}:{entry.get('password', '')}"
        return base64.b64encode(plain.encode()).decode()
    return ""


def _validate_login(encoded: str) -> str:
    try:
        if b":" in base64.b64decode(encoded, validate=True):
            return encoded
    except (binascii.Error, ValueError):
        pass
    raise ValueError("has an “auth” that is not user:password in base64")


def parse_challenge(header: str, scope: str) -> Challenge | None:
    """Parse a ``WWW-Authenticate`` header; ``scope`` is used if it names none."""
    if bearer := _BEARER.search(header):
        fields: dict[str, str] = {}
        for name, value in _PARAMETER.findall(bearer[1]):
            fields.setdefault(name.lower(), value)
        return Challenge(
            fields.get("realm", ""), fields.get("service", ""), fields.get("scope", scope)
        )
    return Challenge() if _BASIC.search(header) else None


def parse_token(body: bytes) -> str:
    """Return the token in a realm's answer, or "" if there is none that could be sent on."""
    try:
        answer = json.loads(body)
        found = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return found if isinstance(found, str) and _TOKEN.fullmatch(found) else ""


MAX_BODY_BYTES = 4 * 1024 * 1024
"""Longest body in bytes: registries accept no longer manifest."""
REFUSED = "registry.refused"
TIMEOUT = urllib3.Timeout(connect=3, read=5)


@dataclass(frozen=True)
class RegistryResponse:
    """A registry's answer, of any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass
class RegistryClient:
    """A few consecutive requests to one registry, for one repository in it.

    ``login`` is sent when the registry asks for it, ``action`` is what it has to allow.
    Connections are kept between these requests and no longer: the worker forks, and a connection
    must not be shared by two processes.
    """

    address: str
    repository: str
    plain_http: bool
    login: str = field(repr=False)
    action: str = "pull"
    _authorization: dict[str, str] = field(default_factory=dict, repr=False)
    _pools: dict[str, urllib3.PoolManager] = field(default_factory=dict, repr=False)

    def request(self, method: str, path: str, accept: str) -> RegistryResponse:
        """Return the answer, unless its status says nothing about the question.

        Raises `TemporaryError`: ``registry.unreachable`` or `REFUSED`.
        """
        url = f"{'http' if self.plain_http else 'https'}://{self.address}{path}"
        answer = self._send(method, url, {"Accept": accept, **self._authorization})
        if answer.status == 401 and not self._authorization:
            self._authorization = self._sign_in(answer)
            answer = self._send(method, url, {"Accept": accept, **self._authorization})
        return self._raise_for_status(answer)

    def close(self) -> None:
        """Close the connections."""
        for pool in self._pools.values():
            pool.clear()

    def _raise_for_status(self, answer: RegistryResponse) -> RegistryResponse:
        if answer.status in {401, 403}:
            raise self.refused_error(_("status %(status)d") % {"status": answer.status})
        if answer.status == 429 or answer.status >= 500:
            raise self.unreachable_error(_("status %(status)d") % {"status": answer.status})
        return answer

    def _sign_in(self, answer: RegistryResponse) -> dict[str, str]:
        scope = f"repository:{self.repository}:{self.action}"
        challenge = parse_challenge(answer.headers.get("WWW-Authenticate", ""), scope)
        if challenge and challenge.realm:
            return {"Authorization": f"Bearer {self._token(challenge)}"}
        if challenge and self.login:
            return {"Authorization": f"Basic {self.login}"}
        raise self.refused_error(_("it asks for credentials, and there are none for it"))

    def _token(self, challenge: Challenge) -> str:
        """Fetch a token; without credentials if there are none, as for public images."""
        if urlsplit(challenge.realm).scheme not in {"https"} | (
            {"http"} if self.plain_http else set()
        ):
            raise self.refused_error(_("it wants the credentials to be sent without encryption"))
        headers = {"Authorization": f"Basic {self.login}"} if self.login else {}
        answer = self._raise_for_status(self._send("GET", challenge.token_url(), headers))
        if found := parse_token(answer.body) if answer.status == 200 else "":
            return found
        raise self.refused_error(_("its sign-in gives no token"))

    def _send(self, method: str, url: str, headers: dict[str, str]) -> RegistryResponse:
        try:
            answer = self._pool(url).request(
                method, url, headers=headers, timeout=TIMEOUT, retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip
            with closing(answer):  # a connection with nothing left in it is kept all the same
                body = answer.read(MAX_BODY_BYTES)
        except (HTTPError, OSError, ValueError) as error:
            raise self.unreachable_error(_failure_reason(error)) from error
        return RegistryResponse(answer.status, answer.headers, body)

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Return the pool for a URL, with the CA bundle and proxy that the environment names."""
        parts = urlsplit(url)
        proxy = "" if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme, "")
        if proxy not in self._pools:
            trusted = os.environ.get("REQUESTS_CA_BUNDLE") or None  # None: whom the system trusts
            if proxy:
                self._pools[proxy] = urllib3.ProxyManager(proxy, ca_certs=trusted)
            else:
                self._pools[proxy] = urllib3.PoolManager(ca_certs=trusted)
        return self._pools[proxy]

    def unreachable_error(self, why: str) -> TemporaryError:
        """Return the error for a registry that gives no usable answer."""
        message = _(
            "The registry %(registry)s, where the environments are kept, gives no answer that "
            "can be used: %(why)s. Try again later; if it goes on, tell the staff."
        )
        return TemporaryError("registry.unreachable", message % self._message_parameters(why))

    def refused_error(self, why: str) -> TemporaryError:
        """Return the error for a registry that does not let the portal in."""
        message = _(
            "The registry %(registry)s, where the environments are kept, does not let the portal "
            "in: %(why)s. Tell the staff, who have to look at PORTAL_REGISTRY_AUTH."
        )
        return TemporaryError(REFUSED, message % self._message_parameters(why))

    def _message_parameters(self, why: str) -> dict[str, str]:
        return {"registry": self.address, "why": why}


def _failure_reason(error: Exception) -> str:
    if isinstance(error, SSLError):
        return _("its certificate is not trusted, or it does not speak TLS")
    if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
        return _("it does not answer in time")
    return _("the connection fails")
