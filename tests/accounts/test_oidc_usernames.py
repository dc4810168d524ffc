"""A new person's user name is safe, unique, and permanent."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts.oidc.claims import Identity
from portal.accounts.oidc.people import free_username, safe_username, sync_user
from portal.accounts.oidc.provider import Provider
from portal.models import Erasure, User
from portal.models.erasure import digest

pytestmark = pytest.mark.databases

CAMPUS = Provider("campus", "Campus", "portal", "secret", "https://campus.example.org")


def who(*called: str, subject: str = "1") -> Identity:
    return Identity(CAMPUS.issuer, subject, called, "", "", "")


def arrives(subject: str = "1", **claims: str) -> User:
    return sync_user(CAMPUS, {"iss": CAMPUS.issuer, "sub": subject, **claims})


@pytest.mark.parametrize(
    ("given_", "made"),
    [
        ("ada", "ada"),
        ("Ada.Lovelace", "ada.lovelace"),
        ("ada_l", "ada_l"),
        ("ada@example.org", "ada-example.org"),
        ("Ada Lövelace/../etc", "ada-lovelace-etc"),
        ("..", ""),
        ("-rf /", "rf"),
        ("a..b__c--d", "a.b_c-d"),
        ("Straße", "strasse"),
        ("山田", ""),
        ("x" * 100, "x" * 40),
        ("x" * 39 + "-y", "x" * 39),
    ],
)
def test_username_is_made_safe(given_, made):
    assert safe_username(given_) == made


@given(st.text())
def test_safe_username_fits_into_a_path_and_a_label(text):
    assert re.fullmatch(r"([a-z0-9]+([._-][a-z0-9]+)*)?", safe_username(text))
    assert len(safe_username(text)) <= 40


@pytest.mark.django_db
@pytest.mark.parametrize("reserved", ["admin", "Root", "operator", "jovyan"])
def test_reserved_username_is_not_assigned(reserved):
    assert free_username(who(reserved, "ada", "1")) == "ada"
    assert free_username(who(reserved)).startswith("person-")


def test_taken_username_is_not_assigned_in_any_case(ada):
    User.objects.create_user("Grace")
    assert free_username(who("ada")) == "ada-2"
    assert free_username(who("grace")) == "grace-2"


def test_username_of_an_erased_person_is_never_assigned_again(ada, bob):
    Erasure.objects.create(username=digest("grace"))
    assert free_username(who("grace")) == "grace-2"
    assert free_username(who("erased-7")) == "erased-7-2"


def test_people_with_the_same_name_get_different_usernames(db):
    names = {arrives(str(n), preferred_username="ada").username for n in range(15)}
    assert len(names) == 15
    assert {"ada", "ada-2", "ada-9"} <= names


def test_person_without_a_usable_name_still_gets_a_username(db):
    assert arrives("山", preferred_username="田").username.startswith("person")


def test_username_stays_while_other_details_follow_the_provider(db):
    first = arrives(preferred_username="ada", email="ada@example.org", given_name="Ada")
    second = arrives(preferred_username="countess", email="new@example.org", family_name="L")
    assert (second.pk, second.username) == (first.pk, "ada")
    assert (second.email, second.first_name, second.last_name) == ("new@example.org", "", "L")


def test_accounts_are_never_matched_by_name_or_email(ada):
    newcomer = arrives(preferred_username="ada", email="ada@example.org")
    assert newcomer.pk != ada.pk
    other = Provider("far", "Far", "portal", "secret", "https://far.example.org")
    theirs = sync_user(other, {"iss": other.issuer, "sub": "1", "preferred_username": "ada"})
    assert theirs.pk not in {ada.pk, newcomer.pk}


def test_provider_account_has_no_usable_password(db):
    assert not arrives(preferred_username="ada").has_usable_password()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("subjects", [["1"] * 4, ["1", "2", "3", "4"]])
def test_concurrent_first_sign_ins_create_each_person_once(subjects):
    def come(subject: str) -> int:
        try:
            return arrives(subject, preferred_username="ada", groups="physics").pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(subjects)) as pool:
        people = list(pool.map(come, subjects))
    assert len(set(people)) == len(set(subjects)) == User.objects.count()
