"""What sandboxes get of the portal's own environment: a few variables, and no secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from .keeper.jobs import Site

# Certificates: their files are shown in the sandbox at the same path.
_FILES = frozenset({
    "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE",
})  # fmt: skip
_ADDRESSES = frozenset({
    "CONDA_CHANNEL_ALIAS", "NPM_CONFIG_REGISTRY", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_INDEX_URL",
})  # fmt: skip
_PLAIN = frozenset({
    "LC_ALL", "PIP_DEFAULT_TIMEOUT", "PIP_TRUSTED_HOST", "TZ", "UV_HTTP_TIMEOUT",
    "UV_INSECURE_HOST", "UV_SYSTEM_CERTS",
})  # fmt: skip

_TRUST = {"UV_SYSTEM_CERTS": "true"}  # a site's own authority counts as it does for its machine


def site(toolbox: str, environment: Mapping[str, str], extra: list[str]) -> Site:
    """What every sandbox gets; ``extra`` are further files and folders to be shown."""
    files = {name: environment[name] for name in _FILES & environment.keys()}
    addresses = {
        name: environment[name]
        for name in _ADDRESSES & environment.keys()
        if all(_is_public(word) for word in environment[name].split())
    }
    plain = _TRUST | {name: environment[name] for name in _PLAIN & environment.keys()}
    index = addresses.get("UV_DEFAULT_INDEX") or addresses.get("PIP_INDEX_URL")
    if index:  # one is uv's, one is pip's, and both run in sandboxes
        addresses = {"UV_DEFAULT_INDEX": index, "PIP_INDEX_URL": index, **addresses}
    shown = sorted({path for path in files.values() if os.path.isabs(path)} | set(extra))
    return Site(toolbox, dict(sorted({**files, **addresses, **plain}.items())), shown)


def _is_public(address: str) -> bool:
    """Whether the address of an index can be shown: on the network, without a password."""
    parts = urlsplit(re.sub(r"^[\w.-]+=(?=https?:)", "", address))  # uv lets an index have a name
    return parts.scheme in {"http", "https"} and "@" not in parts.netloc
