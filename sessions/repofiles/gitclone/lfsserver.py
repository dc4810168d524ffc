"""Ask a Git LFS server for contents: the batch API with basic transfers, for downloads only.

See https://github.com/git-lfs/git-lfs/blob/main/docs/api. Connections go where the variables of the
environment send git's, too: through a proxy, with the site's certificate authority. What arrives
counts only if it has the digest that the repository names.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import shlex
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

_TYPE = "application/vnd.git-lfs+json"
_BATCH = 100
_MAX_ANSWER_BYTES = 10_000_000
_SECONDS = 60
_TRIES = 3
_PAUSE = 2.0
_PASSING = (408, 429, 500, 502, 503, 504)
_SCP = re.compile(r"(?:(?P<user>[^@:/]+)@)?(?P<host>[^:/@]+|\[[^\]]+\]):(?!//|:)(?P<path>.+)")


class LfsRefused(Exception):
    """The server does not give a content; the text says why, to be shown."""


class SshAddress(NamedTuple):
    """The parts of an address for ssh; ``path`` is as the server gets it."""

    user: str
    host: str
    port: int | None
    path: str


def parse_ssh(url: str) -> SshAddress | None:
    """Return the parts of an address for ssh, in either form; None for any other."""
    parts = urlsplit(url)
    if parts.scheme in {"ssh", "git+ssh", "ssh+git"} and parts.hostname:
        return SshAddress(parts.username or "", parts.hostname, parts.port, unquote(parts.path))
    found = None if "://" in url else _SCP.fullmatch(url)
    return SshAddress(found["user"] or "", found["host"], None, found["path"]) if found else None


def may_use(url: str) -> bool:
    """Return whether git's variables allow the address's protocol; the web's only."""
    scheme = urlsplit(url).scheme
    return scheme in {"http", "https"} and scheme in os.environ["GIT_ALLOW_PROTOCOL"].split(":")


class LfsServer:
    """The LFS server of one repository: its address, and headers that every request needs."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self.headers = dict(headers or {})
        if parts.username:
            whole = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.headers["Authorization"] = f"Basic {base64.b64encode(whole.encode()).decode()}"
        host = parts.netloc.rpartition("@")[2]
        self.url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))

    @classmethod
    def of_remote(cls, url: str) -> LfsServer:
        """Return the server that belongs to a repository's address, as git-lfs finds it.

        With a key, an SSH server is asked for the address and a token. Raises `LfsRefused`.
        """
        ssh = parse_ssh(url)
        if ssh and os.environ.get("GIT_SSH_COMMAND"):
            return cls._of_ssh(ssh)
        if ssh:
            url = f"https://{ssh.host}/{quote(ssh.path.lstrip('/'))}"
        if not may_use(url):
            raise LfsRefused("the address of its server is not one that is allowed here")
        base = url.rstrip("/")
        return cls(f"{base}/info/lfs" if base.endswith(".git") else f"{base}.git/info/lfs")

    @classmethod
    def _of_ssh(cls, ssh: SshAddress) -> LfsServer:
        where = f"{ssh.user}@{ssh.host}" if ssh.user else ssh.host
        port = ["-p", str(ssh.port)] if ssh.port else []
        asked = f"git-lfs-authenticate {shlex.quote(ssh.path)} download"
        command = [*shlex.split(os.environ["GIT_SSH_COMMAND"]), *port, "--", where, asked]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_SECONDS
            )
            answer = json.loads(done.stdout)
            return cls(str(answer["href"]), _strings(answer.get("header")))
        except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
            raise LfsRefused(f"{ssh.host} has no Git LFS for this key") from None

    def downloads(
        self, objects: dict[str, int]
    ) -> Iterator[tuple[str, urllib.request.Request | LfsRefused]]:
        """Yield for each object (size by id) the request that downloads it, or why it cannot be.

        Raises `LfsRefused` if the server answers nothing of use.
        """
        ids = list(objects)
        for start in range(0, len(ids), _BATCH):
            some = [{"oid": oid, "size": objects[oid]} for oid in ids[start : start + _BATCH]]
            asked = {"operation": "download", "transfers": ["basic"], "objects": some}
            headers = {**self.headers, "Accept": _TYPE, "Content-Type": _TYPE}
            request = urllib.request.Request(  # noqa: S310  (`_opener` knows the web only)
                f"{self.url}/objects/batch", json.dumps(asked).encode(), headers
            )
            for each in _objects(_read(request)):
                yield str(each.get("oid")), _download(each)


def _read(request: urllib.request.Request) -> bytes:
    try:
        with _opened(request) as response:
            raw: bytes = response.read(_MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        raise LfsRefused("the server's answer broke off") from None
    return raw


def _objects(raw: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(raw)["objects"]
        return [each for each in found if isinstance(each, dict)]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise LfsRefused("the server does not answer like one for Git LFS") from None


def _download(answer: dict[str, Any]) -> urllib.request.Request | LfsRefused:
    """Return the request for an object that the server has, or its own reason."""
    error, actions = answer.get("error"), answer.get("actions")
    action = actions.get("download") if isinstance(actions, dict) else None
    if isinstance(error, dict):
        return LfsRefused(str(error.get("message") or error.get("code")))
    if not isinstance(action, dict) or not may_use(str(action.get("href"))):
        return LfsRefused("the server offers no download")
    return urllib.request.Request(  # noqa: S310  (`may_use` has looked at it)
        str(action["href"]), headers=_strings(action.get("header"))
    )


def _strings(header: object) -> dict[str, str]:
    pairs = header.items() if isinstance(header, dict) else ()
    return {str(name): str(value) for name, value in pairs}


def fetch_content(request: urllib.request.Request, oid: str, size: int, path: str) -> None:
    """Write the content with this digest to the file ``path``. Raises `LfsRefused`, `OSError`."""
    digest, left = hashlib.sha256(), size
    with _opened(request) as response, open(path, "wb") as file:
        try:
            while piece := response.read(min(1 << 20, left + 1)):
                left -= len(piece)
                if left < 0:
                    break
                digest.update(piece)
                file.write(piece)
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            raise LfsRefused(f"the download broke off ({error})") from None
    if left or digest.hexdigest() != oid:
        raise LfsRefused("the server sent something else")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects with the same method and body, where git's variables allow it."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request to the new address; none to one that is not allowed."""
        url = urljoin(req.full_url, newurl)
        if not may_use(url):
            return None
        same = urlsplit(url).netloc == urlsplit(req.full_url).netloc
        kept = {k: v for k, v in req.headers.items() if same or k.lower() != "authorization"}
        return urllib.request.Request(url, req.data, kept)  # noqa: S310  (`may_use` allows it)

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for the web alone, with the site's certificate authority."""
    authority = os.environ.get("GIT_SSL_CAINFO") or None
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority)),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _opened(request: urllib.request.Request) -> Any:
    """Return the response; what may pass is tried again. Raises `LfsRefused`."""
    for attempt in range(1, _TRIES + 1):
        try:
            return _opener().open(request, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            error.close()
            why = _reason(error.code)
            if error.code not in _PASSING:
                break
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = f"the server cannot be reached ({getattr(error, 'reason', error)})"
        if attempt < _TRIES:
            time.sleep(_PAUSE * attempt)
    raise LfsRefused(why)


def _reason(status: int) -> str:
    if status in {401, 403}:
        return "the server wants a sign-in"
    if status == 404:
        return "the server has no Git LFS for this repository"
    return (
        "the server wants no more downloads now"
        if status in {429, 509}
        else (f"the server answered {status}")
    )
