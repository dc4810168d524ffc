"""Ask a container registry whether an image exists and how large it is, and remove it.

"It does not exist" and "nobody can say" are different answers: the first starts a build, and a
registry that is away for a moment must not cause everything to be built again. So only a registry's
own error codes count as absent; another server's 404, such as a proxy's, does not. Whatever
prevents an answer is a `TemporaryError` with a sentence.

Requests follow the OCI distribution specification. Signing in follows docker's ``config.json`` for
the login, RFC 9110 (11.6.1) for challenges, and the distribution project's token specification for
what follows one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import requests
from django.utils.translation import gettext as _
from urllib3.exceptions import HTTPError, ReadTimeoutError

from portal.lib.gate import Gate, GateClosed
from sessions.errors import NotAllowed, TemporaryError

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Maximum body in bytes: registries accept no larger manifests."""
TIMEOUT = (3.0, 5.0)
"""Seconds to connect, and to wait for more of a response."""
MAX_WAITING, PAUSE_SECONDS = 16, 30.0
"""Requests of a process at once; seconds without one after a response that did not come in time."""
_ACCEPT = ", ".join([
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
])  # fmt: skip
_ABSENT = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})
"""The specification's codes, and the one that Harbor uses instead of either."""
_REMOVED = frozenset({200, 202, 204})
_DELETION_UNSUPPORTED = frozenset({400, 405})
"""Statuses from registries that do not support deletion."""
_REFUSED = "registry.refused"
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_BEARER = re.compile(r"(?:^|,\s*)Bearer\s+(.*)", re.IGNORECASE | re.DOTALL)
_BASIC = re.compile(r"(?:^|,\s*)Basic\b", re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+)\s*=\s*"([^"]*)"')
_TOKEN_PARAMETERS = ("service", "scope")
_TOKEN = re.compile(r"[!-~]{1,16384}")


class Registry:
    """The registry at ``address`` (``host[:port]``).

    ``auth`` is the text of a docker ``config.json`` with the credentials; ValueError if it is not
    valid.
    """

    def __init__(self, address: str, *, plain_http: bool = False, auth: str = "") -> None:
        self.address = address
        self._plain_http = plain_http
        self._login = registry_login(auth, address)

    def digest(self, repository: str, reference: str) -> str | None:
        """Return the digest of a tag or digest; None if the registry does not have it.

        Takes seconds at most. Raises `TemporaryError` (``registry.unreachable``,
        ``registry.refused``) when nobody can say.
        """
        path = _path(repository, reference)
        with self._session(repository) as session:
            answer = session.ask("HEAD", path, _ACCEPT)
            if found := _digest(answer):
                return found
            # Only the body of a 404 says whether it is the registry's own.
            answer = session.ask("GET", path, _ACCEPT)
        if answer.status == 404 and _is_absent(answer.body):
            return None
        if answer.status == 200 and len(answer.body) < MAX_BODY_BYTES:
            return _digest(answer) or f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        raise _unreachable(self.address, _status(answer))

    def size(self, repository: str, reference: str) -> int | None:
        """Return the bytes of an image; None if the registry does not have it.

        Counts the compressed layers as the registry keeps them, even if other images share them.
        Raises `TemporaryError` as `digest` does.
        """
        with self._session(repository) as session:
            answer = session.ask("GET", _path(repository, reference), _ACCEPT)
        try:
            manifest = json.loads(answer.body)
            parts = [manifest["config"], *manifest["layers"]]
            return sum(int(part["size"]) for part in parts)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def remove(self, repository: str, reference: str) -> None:
        """Have the registry forget an image, under all of its tags.

        Does nothing if it does not exist. The bytes go with the registry's next garbage collection.
        Raises `NotAllowed` (``registry.keeps-images``) if it removes nothing for the portal, and
        `TemporaryError` as `digest` does.
        """
        digest = self.digest(repository, reference)
        if digest is None:
            return
        with self._session(repository, "delete") as session:
            try:
                answer = session.ask("DELETE", _path(repository, digest), "application/json")
            except TemporaryError as error:
                raise (
                    self._deletion_refused(error.message) if error.code == _REFUSED else error
                ) from None
        if answer.status in _DELETION_UNSUPPORTED:
            raise self._deletion_refused(_status(answer))
        if answer.status not in _REMOVED and not _is_absent(answer.body):
            raise _unreachable(self.address, _status(answer))

    def _session(self, repository: str, action: str = "pull") -> _Session:
        scope = f"repository:{repository}:{action}"
        return _Session(self.address, scope, self._login, plain_http=self._plain_http)

    def _deletion_refused(self, why: str) -> NotAllowed:
        message = _(
            "The registry %(registry)s does not let the portal delete environments: %(why)s Allow "
            "the account of PORTAL_REGISTRY_AUTH to delete there and enable deletion in the "
            "registry, or have the registry itself remove images that have not been pulled for a "
            "long time."
        )
        return NotAllowed("registry.keeps-images", message % {"registry": self.address, "why": why})


@dataclass(frozen=True)
class _Answer:
    """A registry's answer, of any status; the body is cut at `MAX_BODY_BYTES`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Session(requests.Session):
    """A few consecutive requests to one registry, for one ``scope``.

    The login is sent when the registry asks for it. Of the environment, only a CA bundle and
    proxies count (`_trusted`, `_proxies`): a .netrc would replace the login. Connections are kept
    between these requests and no longer: no other thread uses them, and a worker that forks leaves
    none to its child.
    """

    def __init__(self, address: str, scope: str, login: str, *, plain_http: bool) -> None:
        super().__init__()
        self.trust_env = False
        self.headers.clear()  # without these, no compressed response is requested
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._address, self._scope, self._login = address, scope, login
        self._schemes = ("https://", "http://") if plain_http else ("https://",)
        self._authorization: dict[str, str] = {}

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect, and do not look at one, which would read all of its body."""

    def ask(self, method: str, path: str, accept: str) -> _Answer:
        """Return the answer, unless its status says nothing about the question.

        Raises `TemporaryError`: ``registry.unreachable`` or ``registry.refused``.
        """
        url = f"{self._schemes[-1]}{self._address}{path}"
        answer = self._send(method, url, {"Accept": accept, **self._authorization})
        if answer.status == 401 and not self._authorization:
            self._authorization = self._sign_in(answer.headers.get("WWW-Authenticate", ""))
            answer = self._send(method, url, {"Accept": accept, **self._authorization})
        return self._raise_for_status(answer)

    def _raise_for_status(self, answer: _Answer) -> _Answer:
        if answer.status in {401, 403}:
            raise _refused(self._address, _status(answer))
        if answer.status == 429 or answer.status >= 500:
            raise _unreachable(self._address, _status(answer))
        return answer

    def _sign_in(self, challenge: str) -> dict[str, str]:
        issuer = token_url(challenge, self._scope)
        if issuer:
            return {"Authorization": f"Bearer {self._token(issuer)}"}
        if issuer is not None and self._login:
            return {"Authorization": f"Basic {self._login}"}
        why = _("it asks for credentials, but none are configured")
        raise _refused(self._address, why)

    def _token(self, url: str) -> str:
        """Fetch a token; without credentials if there are none, as for public images."""
        if not url.lower().startswith(self._schemes):
            why = _("it wants the credentials without encryption")
            raise _refused(self._address, why)
        headers = {"Authorization": f"Basic {self._login}"} if self._login else {}
        answer = self._raise_for_status(self._send("GET", url, headers))
        if found := parse_token(answer.body) if answer.status == 200 else "":
            return found
        raise _refused(self._address, _("its token service returned no token"))

    def _send(self, method: str, url: str, headers: dict[str, str]) -> _Answer:
        try:
            with _gate(self._address).guard(requests.Timeout, ReadTimeoutError), self.request(
                method, url, headers=headers, timeout=TIMEOUT, stream=True, proxies=_proxies(url),
                verify=_trusted(),
            ) as answer:  # fmt: skip
                body = answer.raw.read(MAX_BODY_BYTES, decode_content=True)
        except (OSError, HTTPError, ValueError) as error:
            raise _unreachable(self._address, _failure_reason(error)) from error
        return _Answer(answer.status_code, answer.headers, body)


@cache
def _gate(address: str) -> Gate:
    return Gate(f"the registry {address}", PAUSE_SECONDS, MAX_WAITING)


def _proxies(url: str) -> dict[str, str]:
    """Return the proxy that the environment names for this URL, as HTTPS_PROXY and NO_PROXY do."""
    parts = urlsplit(url)
    proxy = "" if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme, "")
    return {parts.scheme: proxy}


def _trusted() -> str | bool:
    """Return the CA bundle that the environment names, else that of the system, not requests'."""
    system = ssl.get_default_verify_paths()
    return os.environ.get("REQUESTS_CA_BUNDLE") or system.cafile or system.capath or True


def _failure_reason(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return _("its certificate is not trusted, or it does not support TLS")
    if isinstance(error, requests.Timeout | ReadTimeoutError | GateClosed):
        return _("it did not answer in time")
    return _("the connection failed")


def _unreachable(address: str, why: str) -> TemporaryError:
    message = _(
        "The registry %(registry)s, which stores the environments, did not answer properly: "
        "%(why)s. Try again later; if this goes on, tell the staff."
    )
    return TemporaryError("registry.unreachable", message % {"registry": address, "why": why})


def _refused(address: str, why: str) -> TemporaryError:
    message = _(
        "The registry %(registry)s, which stores the environments, refused the portal's login: "
        "%(why)s. Tell the staff, who have to check PORTAL_REGISTRY_AUTH."
    )
    return TemporaryError(_REFUSED, message % {"registry": address, "why": why})


def _path(repository: str, reference: str) -> str:
    return f"/v2/{quote(repository)}/manifests/{quote(reference, safe=':')}"


def _status(answer: _Answer) -> str:
    return _("status %(status)d") % {"status": answer.status}


def _digest(answer: _Answer) -> str:
    """Return the digest that the registry names; "" if it names none."""
    named = answer.headers.get("Docker-Content-Digest", "")
    return named if answer.status == 200 and _DIGEST.fullmatch(named) else ""


def _is_absent(body: bytes) -> bool:
    try:
        errors = json.loads(body)["errors"]
        return bool(errors) and {error["code"] for error in errors} <= _ABSENT
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def registry_login(config: str, address: str) -> str:
    """Return a docker ``config.json``'s login for a registry: ``user:password`` in base64, or "".

    As docker does: the entry with that name, else the first with that host. Raises ValueError,
    without any of the text, if it is not such a file.
    """
    entries = _parse_config(config) if config.strip() else {}
    hosts = {_host(name): entry for name, entry in reversed(entries.items())}
    entry = (hosts | entries).get(address, {})
    if entry.get("auth"):
        return _validate_login(str(entry["auth"]))
    if entry.get("username"):
        plain = f"{entry['username']}:{entry.get('password', '')}"
        return base64.b64encode(plain.encode()).decode()
    return ""


def _parse_config(config: str) -> dict[str, Any]:
    with suppress(ValueError, AttributeError):  # the error contains the text
        entries = json.loads(config).get("auths", {})
        if all(isinstance(entry, dict) for entry in entries.values()):
            return dict(entries)
    raise ValueError("is not a docker config.json")


def _host(name: str) -> str:
    return re.sub(r"^https?://", "", name).partition("/")[0]


def _validate_login(encoded: str) -> str:
    with suppress(ValueError):
        if b":" in base64.b64decode(encoded, validate=True):
            return encoded
    raise ValueError("has an “auth” that is not user:password in base64")


def token_url(challenge: str, scope: str) -> str | None:
    """Return the URL that issues the token which a ``WWW-Authenticate`` header demands.

    "" if it demands the login itself, None if neither. ``scope`` counts if the header has none.
    """
    if not (bearer := _BEARER.search(challenge)):
        return "" if _BASIC.search(challenge) else None
    parameters = {"scope": scope}
    for name, value in reversed(_PARAMETER.findall(bearer[1])):  # the first of each name counts
        parameters[name.lower()] = value
    realm = parameters.get("realm", "")
    query = urlencode([(key, value) for key in _TOKEN_PARAMETERS if (value := parameters.get(key))])
    return f"{realm}{'&' if '?' in realm else '?'}{query}" if realm else ""


def parse_token(body: bytes) -> str:
    """Return the token in a realm's answer, or "" if there is none that could be sent on."""
    try:
        answer = json.loads(body)
        found = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return found if isinstance(found, str) and _TOKEN.fullmatch(found) else ""
