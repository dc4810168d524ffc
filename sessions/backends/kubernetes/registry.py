"""Asking a container registry whether an image is there.

"It is not there" and "nobody can say" are different answers: the first starts a build, and a
registry that is away for a moment must not have everything built again. So only a registry's
own words count for absent; another server's 404, say of a proxy in front, does not. What
is asked follows the OCI distribution specification; `registryanswers` does the asking.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import closing
from urllib.parse import quote

from django.utils.translation import gettext as _

from .registryanswers import LONGEST, Answer, Questions
from .registrylogin import login

_ACCEPT = ", ".join([
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
])  # fmt: skip
_ABSENT = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})
"""The specification's codes, and the one that Harbor has for both."""
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}")


class Registry:
    """The registry at ``address`` (``host[:port]``).

    ``auth`` is the text of a docker ``config.json``, in which the credentials are looked up;
    ValueError if it is none.
    """

    def __init__(self, address: str, *, plain_http: bool = False, auth: str = "") -> None:
        self.address = address
        self._plain_http = plain_http
        self._login = login(auth, address)

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest of what a tag or digest stands for; None when the registry has no such.

        Takes seconds at most. Raises `TemporaryError` (``registry.unreachable``,
        ``registry.refused``) when nobody can say.
        """
        path = f"/v2/{quote(repository)}/manifests/{quote(reference, safe=':')}"
        questions = Questions(self.address, repository, self._plain_http, self._login)
        with closing(questions):
            answer = questions.ask("HEAD", path, _ACCEPT)
            if found := _digest(answer):
                return found
            # Without a body there is no telling whose 404 it is.
            answer = questions.ask("GET", path, _ACCEPT)
            if answer.status == 404 and _says_absent(answer.body):
                return None
            if answer.status == 200 and len(answer.body) < LONGEST:
                return _digest(answer) or f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        raise questions.unreachable(_("status %(status)d") % {"status": answer.status})


def _digest(answer: Answer) -> str:
    """The digest that the registry names; "" where it names none."""
    named = answer.headers.get("Docker-Content-Digest", "")
    return named if answer.status == 200 and _DIGEST.fullmatch(named) else ""


def _says_absent(body: bytes) -> bool:
    try:
        errors = json.loads(body)["errors"]
        return bool(errors) and {error["code"] for error in errors} <= _ABSENT
    except (ValueError, KeyError, TypeError):
        return False
