"""Send requests to a registry: signed in, bounded in time and size.

Signing in to a registry, as pure functions: credentials, and what a registry asks for.

Formats: docker's ``config.json``; RFC 9110 (11.6.1) for challenges; the token specification of
the distribution project for what comes after one. `registryanswers` sends what is made here.

Requests to a registry, signed in where it asks for that, and bounded in time and size.

`registry` knows what to ask and what an answer means; `registrylogin` what signing in looks
like. Whatever keeps an answer from coming is a `TemporaryError` with a sentence.
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


LONGEST = 4 * 1024 * 1024
"""Bytes of a body: registries take no manifest that is longer."""
REFUSED = "registry.refused"
TIMEOUT = urllib3.Timeout(connect=3, read=5)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass
class Questions:
    """A few requests in a row to one registry, for one repository in it.

    ``login`` is sent when the registry asks for it, ``action`` is what it has to allow.
    Connections are kept between these requests and not longer: the worker forks, and a connection
    that two processes have is nobody's.
    """

    address: str
    repository: str
    plain_http: bool
    login: str = field(repr=False)
    action: str = "pull"
    _authorization: dict[str, str] = field(default_factory=dict, repr=False)
    _pools: dict[str, urllib3.PoolManager] = field(default_factory=dict, repr=False)

    def ask(self, method: str, path: str, accept: str) -> Answer:
        """The answer, whatever its status but one of those that say nothing of the question.

        Raises `TemporaryError`: ``registry.unreachable`` or `REFUSED`.
        """
        url = f"{'http' if self.plain_http else 'https'}://{self.address}{path}"
        answer = self._send(method, url, {"Accept": accept, **self._authorization})
        if answer.status == 401 and not self._authorization:
            self._authorization = self._sign_in(answer)
            answer = self._send(method, url, {"Accept": accept, **self._authorization})
        return self._telling(answer)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.clear()

    def _telling(self, answer: Answer) -> Answer:
        if answer.status in {401, 403}:
            raise self.refused(_("status %(status)d") % {"status": answer.status})
        if answer.status == 429 or answer.status >= 500:
            raise self.unreachable(_("status %(status)d") % {"status": answer.status})
        return answer

    def _sign_in(self, answer: Answer) -> dict[str, str]:
        scope = f"repository:{self.repository}:{self.action}"
        asked = challenge(answer.headers.get("WWW-Authenticate", ""), scope)
        if asked and asked.realm:
            return {"Authorization": f"Bearer {self._token(asked)}"}
        if asked and self.login:
            return {"Authorization": f"Basic {self.login}"}
        raise self.refused(_("it asks for credentials, and there are none for it"))

    def _token(self, asked: Challenge) -> str:
        """Asked without credentials where there are none: that is how public images are read."""
        if urlsplit(asked.realm).scheme not in {"https"} | ({"http"} if self.plain_http else set()):
            raise self.refused(_("it wants the credentials to be sent without encryption"))
        headers = {"Authorization": f"Basic {self.login}"} if self.login else {}
        answer = self._telling(self._send("GET", asked.token_url(), headers))
        if found := token(answer.body) if answer.status == 200 else "":
            return found
        raise self.refused(_("its sign-in gives no token"))

    def _send(self, method: str, url: str, headers: dict[str, str]) -> Answer:
        try:
            answer = self._pool(url).request(
                method, url, headers=headers, timeout=TIMEOUT, retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip
            with closing(answer):  # a connection with nothing left in it is kept all the same
                body = answer.read(LONGEST)
        except (HTTPError, OSError, ValueError) as error:
            raise self.unreachable(_why(error)) from error
        return Answer(answer.status, answer.headers, body)

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Trusts, and goes through, whom the environment names, as other programs do."""
        parts = urlsplit(url)
        proxy = "" if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme, "")
        if proxy not in self._pools:
            trusted = os.environ.get("REQUESTS_CA_BUNDLE") or None  # None: whom the system trusts
            if proxy:
                self._pools[proxy] = urllib3.ProxyManager(proxy, ca_certs=trusted)
            else:
                self._pools[proxy] = urllib3.PoolManager(ca_certs=trusted)
        return self._pools[proxy]

    def unreachable(self, why: str) -> TemporaryError:
        message = _(
            "The registry %(registry)s, where the environments are kept, gives no answer that "
            "can be used: %(why)s. Try again later; if it goes on, tell the staff."
        )
        return TemporaryError("registry.unreachable", message % self._words(why))

    def refused(self, why: str) -> TemporaryError:
        message = _(
            "The registry %(registry)s, where the environments are kept, does not let the portal "
            "in: %(why)s. Tell the staff, who have to look at PORTAL_REGISTRY_AUTH."
        )
        return TemporaryError(REFUSED, message % self._words(why))

    def _words(self, why: str) -> dict[str, str]:
        return {"registry": self.address, "why": why}


def _why(error: Exception) -> str:
    if isinstance(error, SSLError):
        return _("its certificate is not trusted, or it does not speak TLS")
    if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
        return _("it does not answer in time")
    return _("the connection fails")
