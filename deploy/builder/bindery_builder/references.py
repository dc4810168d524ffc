"""Resolve names of images as the programs that pull them do.

The grammar and the defaults are those of github.com/distribution/reference, and the transports
those of containers/image. Callers pass on the full name, so that buildah and skopeo have nothing
left to interpret. Pure functions.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import Final

HUB: Final = "docker.io"
_HUBS: Final = frozenset(
    {HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
)
_MAX_NAME_LENGTH: Final = 255
_DEFAULT_PORTS: Final = frozenset({"80", "443"})

_TRANSPORT = re.compile(
    r"(?:atomic|containers-storage|dir|docker-archive|docker-daemon|oci|oci-archive|ostree|sif"
    r"|tarball):|docker:/|[A-Za-z][A-Za-z0-9+.-]*://"
)
_ID = re.compile(r"sha256:|[0-9a-fA-F]{64}\Z")
_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"(?::(?:0|[1-9][0-9]{0,4}))?"
)
_PATH_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH_TAG_DIGEST = re.compile(
    rf"(?P<path>{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?"
)


def resolve(name: str) -> str:
    """Return the full name: ``host/path:tag``, or ``host/path@digest`` if it has a digest.

    Raises `ValueError`, with the reason, for anything that is not the name of an image in a
    registry.
    """
    if _TRANSPORT.match(name):
        raise ValueError("it names something other than a registry")
    if _ID.match(name):
        raise ValueError("it is the id of an image, not its name")
    host, rest = _split(name)
    found = _PATH_TAG_DIGEST.fullmatch(rest)
    if not found or not _HOST.fullmatch(host) or len(host) + len(found["path"]) >= _MAX_NAME_LENGTH:
        raise ValueError("it is not a valid image name")
    if host == "localhost":
        raise ValueError("it is on somebody's own computer, not in a registry")
    end = f"@{found['digest']}" if found["digest"] else f":{found['tag'] or 'latest'}"
    return f"{host}/{found['path']}{end}"


def _split(name: str) -> tuple[str, str]:
    """Split a name into host, in lower case, and rest; without a host, it is the Hub's."""
    host, slash, rest = name.partition("/")
    if not slash or not (set(host) & set(".:") or host.lower() == "localhost"):
        host, rest = HUB, name
    host = host.lower()
    if host in _HUBS:
        return HUB, rest if "/" in rest else f"library/{rest}"
    return host, rest


def registry_host(name: str) -> str:
    """Return the registry that an image's name or a registry's path begins with, with its port."""
    return _split(name)[0]


def is_own_machine(host: str) -> bool:
    """Return whether a registry at this host is on the machine that asks: in a pod, nowhere."""
    name = host.partition(":")[0]
    with suppress(OSError):
        return socket.inet_aton(name)[0] in {0, 127}
    return name == "localhost" or name.endswith((".localhost", ".docker.internal"))


def is_below(name: str, prefix: str) -> bool:
    """Return whether an image is below a registry's path (``host[:port]/path/``), however spelt.

    Default ports of http and https make no difference, nor do different notations of an address.
    Other names of the same registry are not known here: see `registries`.
    """
    host, rest = _split(resolve(name))
    where, path = _split(prefix)
    return _host_and_port(host) == _host_and_port(where) and f"{rest}/".startswith(path)


def port_variants(prefix: str) -> list[str]:
    """Return a registry's path, without its final slash, with each port that it may have."""
    host, path = _split(prefix)
    name = host.partition(":")[0]
    hosts = [name, *(f"{name}:{each}" for each in sorted(_DEFAULT_PORTS))]
    return [f"{each}/{path}".rstrip("/") for each in ([host] if _host_and_port(host)[1] else hosts)]


def _host_and_port(host: str) -> tuple[str, str]:
    name, _, port = host.partition(":")
    with suppress(OSError):
        name = socket.inet_ntoa(socket.inet_aton(name))
    return name, "" if port in _DEFAULT_PORTS else port
