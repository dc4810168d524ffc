"""Ask a container registry whether an image exists and how large it is, and remove it.

"It does not exist" and "nobody can say" are different answers: the first starts a build, and a
registry that is away for a moment must not cause everything to be built again. So only a registry's
own error codes count as absent; another server's 404, such as a proxy's, does not. Requests follow
the OCI distribution specification; `registry_http` sends them.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import closing
from urllib.parse import quote

from django.utils.translation import gettext as _

from sessions.errors import NotAllowed, TemporaryError

from .registry_http import MAX_BODY_BYTES, REFUSED, RegistryClient, RegistryResponse, registry_login

_ACCEPT = ", ".join([
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
])  # fmt: skip
_ABSENT = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})
"""The specification's codes, and the one that Harbor uses for both."""
_REMOVED = frozenset({200, 202, 204})
_DELETION_UNSUPPORTED = frozenset({400, 405})
"""Statuses from registries that accept no deletions at all."""
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}")


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
        path, questions = _path(repository, reference), self._client(repository)
        with closing(questions):
            answer = questions.request("HEAD", path, _ACCEPT)
            if found := _digest(answer):
                return found
            # Only the body of a 404 says whether it is the registry's own.
            answer = questions.request("GET", path, _ACCEPT)
            if answer.status == 404 and _is_absent(answer.body):
                return None
            if answer.status == 200 and len(answer.body) < MAX_BODY_BYTES:
                return _digest(answer) or f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        raise questions.unreachable_error(_status(answer))

    def size(self, repository: str, reference: str) -> int | None:
        """Return the bytes of an image; None if the registry does not have it.

        Counts the compressed layers as the registry keeps them, even if other images share them.
        Raises `TemporaryError` as `digest` does.
        """
        with closing(self._client(repository)) as questions:
            answer = questions.request("GET", _path(repository, reference), _ACCEPT)
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
        with closing(self._client(repository, "delete")) as questions:
            try:
                answer = questions.request("DELETE", _path(repository, digest), "application/json")
            except TemporaryError as error:
                raise (
                    self._deletion_refused(error.message) if error.code == REFUSED else error
                ) from None
        if answer.status in _DELETION_UNSUPPORTED:
            raise self._deletion_refused(_status(answer))
        if answer.status not in _REMOVED and not _is_absent(answer.body):
            raise questions.unreachable_error(_status(answer))

    def _client(self, repository: str, action: str = "pull") -> RegistryClient:
        return RegistryClient(self.address, repository, self._plain_http, self._login, action)

    def _deletion_refused(self, why: str) -> NotAllowed:
        message = _(
            "The registry %(registry)s does not remove environments for the portal: %(why)s Let "
            "the account of PORTAL_REGISTRY_AUTH delete there and the registry take deletions, or "
            "have the registry itself remove what was not pulled for long."
        )
        return NotAllowed("registry.keeps-images", message % {"registry": self.address, "why": why})


def _path(repository: str, reference: str) -> str:
    return f"/v2/{quote(repository)}/manifests/{quote(reference, safe=':')}"


def _status(answer: RegistryResponse) -> str:
    return _("status %(status)d") % {"status": answer.status}


def _digest(answer: RegistryResponse) -> str:
    """Return the digest that the registry names; "" if it names none."""
    named = answer.headers.get("Docker-Content-Digest", "")
    return named if answer.status == 200 and _DIGEST.fullmatch(named) else ""


def _is_absent(body: bytes) -> bool:
    try:
        errors = json.loads(body)["errors"]
        return bool(errors) and {error["code"] for error in errors} <= _ABSENT
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
