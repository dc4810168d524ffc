"""Decide which network addresses may be reached for people's text and code.

A repository's address, a redirect, a download of a build: each names a host, and a name may lead
into the network that the portal is in. Names are resolved here, once, and callers connect to the
addresses that were checked (as `proxy` does), so that a second lookup cannot give another answer.
Standard library only: processes without Django load this module too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_NAME_LENGTH = 253
_EXAMPLE = re.compile(r"/examples/[a-z0-9-]+\.git(?:/[A-Za-z0-9/_.-]*)?(?:\?[a-z0-9=-]*)?")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")

# Listed here, because `is_private` and the like change between Python versions and include the
# documentation ranges. Those are not routed on the Internet, and sites use them for mirrors.
_REFUSED = {
    "0.0.0.0/8": "an unspecified address",
    "10.0.0.0/8": "a private network",
    "100.64.0.0/10": "a provider's own network",
    "127.0.0.0/8": "this machine itself",
    "168.63.129.16/32": "a metadata service",  # Azure's, among public addresses
    "169.254.0.0/16": "a link-local address",
    "172.16.0.0/12": "a private network",
    "192.0.0.0/24": "a reserved address",
    "192.88.99.0/24": "a reserved address",
    "192.168.0.0/16": "a private network",
    "198.18.0.0/15": "a private network",
    "224.0.0.0/4": "a multicast address",
    "240.0.0.0/4": "a reserved address",
    "::/128": "an unspecified address",
    "::1/128": "this machine itself",
    "fc00::/7": "a private network",
    "fe80::/10": "a link-local address",
    "fec0::/10": "a private network",
    "ff00::/8": "a multicast address",
    "2001::/23": "a reserved address",
    "5f00::/16": "a reserved address",
}
_REFUSED_NETWORKS = [(ipaddress.ip_network(text), why) for text, why in _REFUSED.items()]
# Never a Git server or a package index: trusting a name that points there does not allow them.
_METADATA = [
    ipaddress.ip_network(text)
    for text in ("100.100.100.200/32", "168.63.129.16/32", "169.254.0.0/16", "192.0.0.192/32",
                 "fd00:ec2::254/128", "fe80::/10")
]  # fmt: skip
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Refused(Exception):
    """Raised for an address that must not be reached; the text says why."""


class Unresolvable(Exception):
    """Raised for a host that has no address, or for text that is not a host name."""


@dataclass(frozen=True)
class EgressRules:
    """The destinations that may be reached: every public address, and hosts that the site trusts.

    ``trusted`` holds ``host`` (any port), ``host:port`` or ``[IPv6]:port``. Hosts are names or
    addresses and count only as written: trusting a name does not trust its address.

    ``closed_ports`` are ports of this machine at which the portal and its servers listen; no trust
    opens them. ``named_ports`` are ports that only an entry with the port opens. ``portal_address``
    is the portal's own address, ``http(s)://host:port``; only the bundled examples may be fetched
    from it.

    Raises ValueError for an entry in none of these forms.
    """

    trusted: frozenset[str] = frozenset()
    closed_ports: frozenset[int] = frozenset()
    named_ports: frozenset[int] = frozenset()
    portal_address: str = ""

    def __post_init__(self) -> None:
        _ = self._entries  # so that a wrong entry fails here, not during a request

    @cached_property
    def _entries(self) -> frozenset[tuple[str, int | None]]:
        return frozenset(_entry(text) for text in self.trusted)

    @cached_property
    def _front(self) -> tuple[str, int | None]:
        return (
            _entry(self.portal_address.partition("://")[2]) if self.portal_address else ("", None)
        )

    def trusts(self, host: str, port: int | None) -> bool:
        """Return whether the site trusts this host and port. Raises Unresolvable."""
        name = canonical_host(host)
        if (name, port) in self._entries:
            return True
        return (name, None) in self._entries and port not in self.named_ports

    def is_portal(self, host: str, port: int) -> bool:
        """Return whether this host and port name the portal itself. Raises Unresolvable."""
        name = canonical_host(host)
        if (name, port) == self._front:
            return True
        address = as_ip_address(name)
        here = _is_our_own(_unwrapped(address)) if address else _is_localhost(name)
        return here and port in {*self.closed_ports, self._front[1]}

    def is_example(self, host: str, port: int, path: str) -> bool:
        """Return whether this is a bundled example at the portal's address.

        Nobody sees the ``path`` of what goes through a tunnel; it is "" then. Raises Unresolvable.
        """
        if not self.portal_address or (canonical_host(host), port) != self._front:
            return False
        is_tunnel = self.portal_address.startswith("https:") and not path
        return is_tunnel or (bool(_EXAMPLE.fullmatch(path)) and ".." not in path)


def _entry(text: str) -> tuple[str, int | None]:
    """Return the host and the port of an entry of the trusted hosts."""
    bracketed = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?", text)
    host, port = bracketed.groups() if bracketed else (text, None)
    try:
        return canonical_host(host), int(port) if port else None
    except Unresolvable as error:
        raise ValueError(f"{text!r} is not host, host:port or [address]:port") from error


def canonical_host(host: str) -> str:
    """Return the one spelling of a host: lower case, ASCII, no final dot, addresses in normal form.

    ``0x7f.1`` and ``2130706433`` become ``127.0.0.1``, as the system's resolver would read them.
    Raises Unresolvable if it can be neither a name nor an address.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if "%" in host:  # a zone: callers may not choose which of our interfaces to use
        return _refuse_name(host)
    try:
        return str(ipaddress.IPv6Address(bare))
    except ValueError:
        return _canonical_name(host)


def _canonical_name(host: str) -> str:
    try:
        name = host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        return _refuse_name(host)
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        return _refuse_name(host)
    try:
        return str(ipaddress.IPv4Address(socket.inet_aton(name)))
    except OSError:
        return name


def _refuse_name(host: str) -> str:
    raise Unresolvable(f"{host[:80]!r} is not a valid host name")


def as_ip_address(host: str) -> Address | None:
    """Return the address that ``host`` spells out; None if it is a name. Raises Unresolvable."""
    try:
        return ipaddress.ip_address(canonical_host(host))
    except ValueError:
        return None


def refusal_reason(address: Address) -> str:
    """Return where this address leads if it must not be reached; "" if it may be."""
    inner = _unwrapped(address)
    for network, why in _REFUSED_NETWORKS:
        if inner in network:
            return why
    if inner.version == 6 and inner not in _GLOBAL_IPV6:
        return "a reserved address"
    return "this machine itself" if _is_our_own(inner) else ""


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address inside the IPv6 forms that lead to one; others unchanged."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(address.packed[-4:])
    return inner or address


def is_metadata(address: Address) -> bool:
    """Return whether the address is of a metadata service, or link-local."""
    return any(_unwrapped(address) in network for network in _METADATA)


def _is_localhost(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _is_our_own(address: Address) -> bool:
    """Return whether an interface of this machine has the address: only then can it be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


async def resolve_allowed(rules: EgressRules, host: str, port: int, path: str = "") -> list[str]:
    """Return the addresses to connect to for ``host``, resolved and checked; at least one.

    ``path`` is the path that is requested, "" if unknown. It takes as long as the system's
    resolver.

    Raises Refused or Unresolvable.
    """
    name = canonical_host(host)
    if rules.is_example(name, port, path):
        return await _lookup(name, port)
    if rules.is_portal(name, port):
        raise Refused(f"{name}:{port} is the portal itself")
    addresses = await _lookup(name, port)
    if rules.trusts(name, port):
        require_allowed(rules, name, port, addresses)
    else:
        require_public(name, addresses)
    return addresses


def require_allowed(rules: EgressRules, name: str, port: int, addresses: Iterable[str]) -> None:
    """Raise Refused if one of a trusted name's addresses is one that no trust opens."""
    for text in addresses:
        address = ipaddress.ip_address(text)
        if is_metadata(address):
            raise Refused(f"{name} points to a metadata service")
        if port in rules.closed_ports and _is_our_own(_unwrapped(address)):
            raise Refused(f"{name}:{port} is the portal itself")


def require_public(name: str, addresses: Iterable[str]) -> None:
    """Raise Refused if any of a name's addresses is not public.

    Which of them is used would be chance.
    """
    for text in addresses:
        if why := refusal_reason(ipaddress.ip_address(text)):
            raise Refused(f"{name} points to {why}")


async def _lookup(name: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolvable(f"{name} has no address") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
