"""Claims of a provider become names, groups and the decision whether somebody is let in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts.oidc.claims import (
    Policy,
    account_label,
    group_names,
    is_allowed,
    memberships,
    parse_identity,
)

ADA = {"iss": "https://login.example.org", "sub": "1"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({}, []),
        ({"groups": "physics"}, ["physics"]),
        ({"groups": ["physics", "maths", "physics"]}, ["physics", "maths"]),
        ({"groups": ["physics"], "eduperson_entitlement": "urn:a:b"}, ["physics", "urn:a:b"]),
        ({"groups": [" two\twords ", "", 7, None, {"name": "x"}]}, ["two words"]),
        ({"groups": ["nul\x00l"]}, ["nul l"]),
        ({"groups": {"physics": True}}, []),
    ],
)
def test_groups_claim_may_be_a_string_or_a_list(claims, found):
    assert group_names(claims, Policy()) == found


@pytest.mark.parametrize("spelled", ["[members, staff]", '["members"]', " [members] "])
def test_a_list_written_as_a_text_says_nothing(spelled):
    found = memberships({"groups": spelled, "eduperson_entitlement": "urn:x"}, Policy())
    assert (found.names, found.missing) == (("urn:x",), "unreadable")
    assert not is_allowed({"groups": spelled}, Policy(allow_groups=frozenset({"members"})))
    assert memberships({"groups": ["[members]"]}, Policy()).names == ("[members]",)


def test_groups_claim_may_be_nested():
    policy = Policy(groups_claims=("realm_access.roles",))
    assert group_names({"realm_access": {"roles": ["a"]}}, policy) == ["a"]
    assert group_names({"realm_access": "a"}, policy) == []
    assert group_names({"realm_access.roles": "b"}, policy) == ["b"]


def test_long_group_name_is_cut_but_stays_unique():
    first, second = group_names({"groups": ["g" * 200 + "1", "g" * 200 + "2"]}, Policy(), "far:")
    assert len(first) == len(second) == 150
    assert first != second
    assert first.startswith("far:g")


def test_all_groups_count_however_many_there_are():
    many = {"groups": [f"g{n}" for n in range(1000)]}
    assert len(group_names(many, Policy())) == 1000
    assert is_allowed({**ADA, **many}, Policy(allow_groups=frozenset({"g999"})))


GROUP = Policy(allow_groups=frozenset({"members"}))
DOMAIN = Policy(allow_mail_domains=frozenset({"example.org"}))
ENTITLED = Policy(allow_entitlements=frozenset({"urn:a:b"}))
ANY = Policy(allow_groups=GROUP.allow_groups, allow_mail_domains=DOMAIN.allow_mail_domains)


@pytest.mark.parametrize(
    ("policy", "claims", "lets_in"),
    [
        (Policy(), {}, True),
        (GROUP, {"groups": "members"}, True),
        (GROUP, {"groups": ["Members", "others"]}, False),
        (GROUP, {}, False),
        (ENTITLED, {"eduperson_entitlement": ["urn:a:b"]}, True),
        (ENTITLED, {"groups": ["urn:a:b"]}, False),
        (DOMAIN, {"email": "ada@EXAMPLE.org"}, True),
        (DOMAIN, {"email": "ada@example.org", "email_verified": True}, True),
        (DOMAIN, {"email": "ada@example.org", "email_verified": False}, False),
        (DOMAIN, {"email": "ada@example.org", "email_verified": "false"}, False),
        (DOMAIN, {"email": "ada@example.org.evil.example"}, False),
        (DOMAIN, {"email": "ada@sub.example.org"}, False),
        (DOMAIN, {"email": "example.org"}, False),
        (DOMAIN, {"email": "@example.org"}, False),
        (DOMAIN, {"email": "eve@evil.example, ada@example.org"}, False),
        (DOMAIN, {"email": "eve@evil.example@example.org"}, False),
        (DOMAIN, {"email": "ada@example.org\nBcc: eve@evil.example"}, False),
        (ANY, {"email": "ada@example.org"}, True),
        (ANY, {"groups": "members"}, True),
        (ANY, {"groups": "others"}, False),
    ],
)
def test_sign_in_needs_one_of_the_configured_rules_to_match(policy, claims, lets_in):
    assert is_allowed({**ADA, **claims}, policy) is lets_in


def test_prefix_separates_the_groups_of_a_partner():
    assert not is_allowed({**ADA, "groups": "members"}, GROUP, "far:")
    assert group_names({"groups": "members"}, Policy(), "far:") == ["far:members"]


def test_username_candidates_follow_the_order_of_the_claims():
    claims = {**ADA, "preferred_username": "ada", "email": "lovelace@example.org"}
    assert parse_identity(claims, Policy()).username_candidates == ("ada", "lovelace", "1")
    assert parse_identity(claims, Policy(username_claim="uid")).username_candidates == (
        "lovelace",
        "1",
    )


@pytest.mark.parametrize(
    ("email", "read"),
    [
        ("ada@example.org", "ada@example.org"),
        (" ada+x@intranet\n", "ada+x@intranet"),
        ("ü@ü.example", "ü@ü.example"),
        ("Ada <ada@example.org>", ""),
        ("ada@example.org,bob@example.org", ""),
        ("a b@example.org", ""),
        (["ada@example.org"], ""),
    ],
)
def test_only_one_plain_address_is_an_address(email, read):
    assert parse_identity({**ADA, "email": email}, Policy()).email == read


def test_account_label_is_the_email_address_or_the_subject():
    assert account_label({**ADA, "email": "ada@example.org", "name": "Ada"}) == "ada@example.org"
    assert account_label(ADA) == "1"


@given(
    st.dictionaries(st.sampled_from(["groups", "email", "name", "preferred_username"]), ANYTHING)
)
def test_malformed_claims_break_nothing(claims):
    said = {**ADA, **claims}
    who = parse_identity(said, Policy())
    names = group_names(said, Policy())
    is_allowed(said, DOMAIN)
    assert who.subject == "1"
    assert all(0 < len(name) <= 150 and name.isprintable() for name in names)
