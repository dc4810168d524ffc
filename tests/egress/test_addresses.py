"""Network addresses that may be reached, in every spelling that a person or a name server uses."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.egress.addresses import (
    EgressRules,
    Refused,
    Unresolvable,
    _is_our_own,
    as_ip_address,
    canonical_host,
    refusal_reason,
    require_public,
    resolve_allowed,
)

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.9.10",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "172.32.0.1", "203.0.113.5", "198.51.100.9", "2606:4700::1111"]
PUBLIC += ["64:ff9b::8.8.8.8", "2001:db8::1", "::ffff:8.8.8.8"]
LOOPBACK = ["0177.0.0.1", "0x7f.1", "0x7F000001", "127.1", "127.0.0.1.", "2130706433"]
LOOPBACK += ["①②⑦.0.0.1", "127。0。0。1", "localhost", "LocalHost", "localhost.", "ｌocalhost"]


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_private_address_is_refused(address: str):
    with pytest.raises(Refused):
        await resolve_allowed(EgressRules(), address, 443)
    with pytest.raises(Refused):
        await resolve_allowed(EgressRules(), f"[{address}]" if ":" in address else address, 443)


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_is_returned_unchanged(address: str):
    assert [
        as_ip_address(found) for found in await resolve_allowed(EgressRules(), address, 443)
    ] == [as_ip_address(address)]


@pytest.mark.parametrize("spelling", LOOPBACK)
async def test_every_spelling_of_the_loopback_address_is_refused(spelling: str):
    with pytest.raises(Refused, match="this machine itself"):
        await resolve_allowed(EgressRules(), spelling, 80)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a..b", ".a", "localhost..", "-oProxyCommand=x", "-x.org", "a.-b", "a b",
     "127.0.0.1 ", "127.0.0.1\n", "a\0b", "a/b", "a:b", "a@b", "[127.0.0.1", "[::1", "::1]",
     "fe80::1%eth0", "::1%lo", "[fe80::1%25eth0]", "x" * 64, "a." * 127 + "org", "\ud800", "ex_$"],
)  # fmt: skip
async def test_an_invalid_host_is_unresolvable(text: str):
    with pytest.raises(Unresolvable):
        await resolve_allowed(EgressRules(), text, 80)


async def test_a_hostname_without_an_address_is_unresolvable():
    with pytest.raises(Unresolvable):
        await resolve_allowed(EgressRules(), "nowhere.invalid", 443)


def test_addresses_of_this_machine_are_recognized():
    assert _is_our_own(ip_address("127.0.0.1"))
    assert not _is_our_own(ip_address("203.0.113.5"))


def test_a_hostname_with_any_private_address_is_refused():
    require_public("example.org", ["203.0.113.5"])
    with pytest.raises(Refused, match=r"example\.org points to a private network"):
        require_public("example.org", ["203.0.113.5", "10.0.0.1"])


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:8000", "LOCALHOST:8000", "[::1]:8000"])
async def test_a_trusted_private_host_is_allowed(entry: str):
    host = entry.removesuffix(":8000")
    assert await resolve_allowed(EgressRules(frozenset({entry})), host, 8000)


async def test_trust_covers_only_the_listed_host_and_port():
    rules = EgressRules(frozenset({"127.0.0.1:8000", "git.example:443"}))
    assert await resolve_allowed(rules, "127.1", 8000) == ["127.0.0.1"]
    for host, port in [("127.0.0.1", 8001), ("localhost", 8000), ("127.0.0.2", 8000)]:
        with pytest.raises(Refused):
            await resolve_allowed(rules, host, port)


@pytest.mark.parametrize("entry", ["", ":80", "a:b", "a b", "https://a", "a/b", "-a", "[::1]x"])
def test_a_malformed_trusted_host_raises_value_error(entry: str):
    with pytest.raises(ValueError, match="is not host"):
        EgressRules(frozenset({entry}))


@given(st.text())
def test_any_text_has_one_canonical_host_or_none(text: str):
    try:
        name = canonical_host(text)
    except Unresolvable:
        return
    assert canonical_host(name) == name
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set(" /@%[]")
    assert not name.startswith("-")


@given(st.ip_addresses(v=4, network="10.0.0.0/8"), st.sampled_from(["::ffff:{}", "64:ff9b::{}"]))
def test_a_private_address_embedded_in_ipv6_is_recognized(address, form: str):
    assert refusal_reason(ip_address(form.format(address))) == "a private network"
