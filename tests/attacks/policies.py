"""Evaluate the project's network policies as pure data: which pod may reach what.

The test cluster enforces none, so no packet is sent here: a policy is evaluated for a pod and its
target, by the rules of ``networking.k8s.io/v1``. A pod that no policy selects for a direction may
do everything in it; a selected one may do what at least one rule of one policy allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml

from tests.attacks.attempt import Attempt, Verdict

FILE = Path(__file__).resolve().parents[2] / "deploy/kubernetes/network-policies.yaml"
KIND = "network policies"
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """A pod, or with ``address`` something outside the cluster's pod networks."""

    labels: Labels = field(default_factory=dict)
    namespace: str = "bindery"
    address: str = ""
    namespace_labels: Labels = field(default_factory=dict)


def policies() -> list[dict[str, Any]]:
    return [
        each for each in yaml.safe_load_all(FILE.read_text()) if each["kind"] == "NetworkPolicy"
    ]


def allows(source: Place, target: Place, port: int, protocol: str = "TCP") -> bool:
    """Return whether the source's policies let it out and the target's let it in."""
    out = _one_way("Egress", source, target, port, protocol)
    return out and (bool(target.address) or _one_way("Ingress", target, source, port, protocol))


def _one_way(way: str, of: Place, other: Place, port: int, protocol: str) -> bool:
    mine = [each for each in policies() if way in _types(each) and _selects(each, of)]
    if not mine or of.address:
        return True
    side = "to" if way == "Egress" else "from"
    rules = [rule for each in mine for rule in each["spec"].get(way.lower()) or []]
    return any(
        _is_peer(rule.get(side), other, of) and _is_port(rule, port, protocol) for rule in rules
    )


def _types(policy: Mapping[str, Any]) -> list[str]:
    spec = policy["spec"]
    return list(spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])])


def _selects(policy: Mapping[str, Any], pod: Place) -> bool:
    same = policy["metadata"]["namespace"] == pod.namespace
    return same and _matches(policy["spec"]["podSelector"], pod.labels)


def _matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    if set(selector) - {"matchLabels"}:
        raise NotImplementedError(f"a selector by {set(selector)}")
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _is_peer(peers: Any, other: Place, own: Place) -> bool:
    return not peers or any(_is_one(peer, other, own) for peer in peers)


def _is_one(peer: Mapping[str, Any], other: Place, own: Place) -> bool:
    if block := peer.get("ipBlock"):
        return bool(other.address) and _is_in(block, other.address)
    if other.address:
        return False
    if "namespaceSelector" in peer:
        near = _matches(peer["namespaceSelector"], other.namespace_labels)
    else:
        near = other.namespace == own.namespace
    return near and _matches(peer.get("podSelector", {}), other.labels)


def _is_in(block: Mapping[str, Any], text: str) -> bool:
    address = ip_address(text)
    networks = [ip_network(each) for each in (block["cidr"], *block.get("except", []))]
    first, *others = [address in each for each in networks if each.version == address.version] or [
        False
    ]
    return first and not any(others)


def _is_port(rule: Mapping[str, Any], port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        each.get("protocol", "TCP") == protocol and each.get("port", port) == port for each in ports
    )


@dataclass(frozen=True)
class Packet(Attempt):
    """One connection from a place to another; a control is one that has to arrive."""

    source: Place
    target: Place
    port: int
    protocol: str = field(default="TCP", kw_only=True)

    def tried(self) -> Verdict:
        arrives = allows(self.source, self.target, self.port, self.protocol)
        return self.judge("it arrives" if arrives else "", "refused by a policy")


def _ours(kind: str) -> Place:
    return Place({"app.kubernetes.io/managed-by": "bindery", "bindery/kind": kind})


SOURCES = {"a notebook": _ours("server"), "a build": _ours("build"), "a helper": _ours("helper")}
WEB = Place({"app.kubernetes.io/name": "bindery"})
DNS = Place({"k8s-app": "kube-dns"}, "kube-system",
            namespace_labels={"kubernetes.io/metadata.name": "kube-system"})  # fmt: skip
SYSTEM = Place({"component": "etcd"}, "kube-system",
               namespace_labels={"kubernetes.io/metadata.name": "kube-system"})  # fmt: skip
ELSEWHERE = Place(
    {"app": "wiki"}, "others", namespace_labels={"kubernetes.io/metadata.name": "others"}
)
TARGETS = {
    "another notebook": (_ours("server"), 8888),
    "a build": (_ours("build"), 8080),
    "the portal": (WEB, 8000),
    "a pod of the portal by another port": (WEB, 5432),
    "a pod of the system": (SYSTEM, 2379),
    "the DNS by another port": (DNS, 9153),
    "a pod of another namespace": (ELSEWHERE, 80),
}
ADDRESSES = {
    "the metadata service": ("169.254.169.254", 80),
    "the metadata service of IPv6": ("fd00:ec2::254", 80),
    "the metadata service of Azure": ("168.63.129.16", 80),
    "the metadata service of Alibaba": ("100.100.100.200", 80),
    "the API server in a private network": ("10.96.0.1", 443),
    "the kubelet of a node": ("10.0.0.5", 10250),
    "a node by SSH": ("192.168.1.10", 22),
    "a database in a private network": ("172.16.3.4", 5432),
    "a network for measurements": ("198.18.0.1", 80),
    "the loopback": ("127.0.0.1", 80),
    "IPv6 around a private address": ("2002:a00:1::1", 80),
    "IPv6 of the link": ("fe80::1", 80),
    "IPv6 that is private": ("fd00::1", 80),
    "everybody": ("255.255.255.255", 67),
    "many at once": ("224.0.0.251", 5353),
}


def _packets() -> Iterator[Packet]:
    for who, source in SOURCES.items():
        for whom, (target, port) in TARGETS.items():
            if not (who == "a notebook" and whom == "the portal"):
                yield Packet(KIND, f"{who} reaches {whom}", source, target, port)
        for whom, (address, port) in ADDRESSES.items():
            yield Packet(KIND, f"{who} reaches {whom}", source, Place(address=address), port)
    for who, source in (("another namespace", ELSEWHERE), ("a pod of the system", SYSTEM)):
        for whom, (target, port) in list(TARGETS.items())[:2]:
            yield Packet(
                KIND, f"{who} reaches {whom.replace('another', 'a')}", source, target, port
            )
    unlabelled = Place({"bindery/kind": "server"})
    yield Packet(KIND, "a pod without the portal's name reaches a notebook", unlabelled,
                 _ours("server"), 8888)  # fmt: skip
    yield Packet(KIND, "the portal reaches a notebook by another port", WEB, _ours("server"), 22)
    yield Packet(
        KIND, "a helper reaches the Internet", SOURCES["a helper"], Place(address="1.1.1.1"), 443
    )
    yield Packet(KIND, "a helper asks the DNS", SOURCES["a helper"], DNS, 53, protocol="UDP")


INTERNET = Place(address="93.184.216.34")
ATTEMPTS = (
    *_packets(),
    Packet(KIND, "the gateway reaches a notebook", WEB, _ours("server"), 8888, control=True),
    Packet(KIND, "a notebook reaches the Internet", SOURCES["a notebook"], INTERNET, 443, control=True),
    Packet(KIND, "a notebook reaches the Internet by IPv6", SOURCES["a notebook"],
           Place(address="2606:4700::1111"), 443, control=True),
    Packet(KIND, "a notebook asks the DNS", SOURCES["a notebook"], DNS, 53, protocol="UDP",
           control=True),
    Packet(KIND, "a build reaches the Internet", SOURCES["a build"], INTERNET, 443, control=True),
    Packet(KIND, "a build reaches the registry", SOURCES["a build"], Place(address="192.0.2.10"), 443,
           control=True),
)  # fmt: skip
