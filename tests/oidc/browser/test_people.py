"""A user's identity by what their provider says: updated at each sign-in, except for their name."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.oidc.browser.conftest import Site, Visit, answer, choose, enter
from tests.stack import eventually

MEMBER = {"groups": ["members"]}


def test_username_from_the_provider_is_made_safe_and_stays(site: Site, visit: Visit) -> None:
    site.campus.put(
        "lovelace",
        preferred_username="Ada Lövelace/../etc",
        email="ada@campus.example",
        name="Ada L.",
        **MEMBER,
    )
    page = visit()
    enter(page, site, "lovelace")
    who = "User.objects.get(subject='lovelace')"
    name = site.ask(f"{who}.username")
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name)
    assert "ada" in name and ".." not in name

    site.campus.put("lovelace", preferred_username="countess", email="countess@campus.example")
    other = visit()
    enter(other, site, "lovelace")
    assert site.ask(f"{who}.username, {who}.email") == f"{name} countess@campus.example"
    other.goto("/account/")
    expect(other.locator("main")).to_contain_text(name)
    expect(other.locator("main")).to_contain_text("countess@campus.example")


def test_same_claims_from_another_provider_are_another_person(site: Site, visit: Visit) -> None:
    """Both the subject and the e-mail are theirs to choose, there."""
    claims = {"preferred_username": "hopper", "email": "hopper@campus.example", **MEMBER}
    site.campus.put("7", **claims)
    site.partner.put("7", **claims)
    enter(visit(), site, "7")
    enter(visit(), site, "7", "Partner University")
    people = "User.objects.filter(subject='7').order_by('pk')"
    mine, theirs = site.ask(f"*{people}.values_list('username', flat=True)").split()
    assert mine == "hopper"
    assert theirs != "hopper" and theirs.startswith("hopper")
    assert site.groups(theirs) == ["partner:members"]


def test_reserved_username_is_not_assigned(site: Site, visit: Visit) -> None:
    site.campus.put("8", preferred_username="admin", **MEMBER)
    enter(visit(), site, "8")
    assert site.ask("User.objects.get(subject='8').username") != "admin"
    assert site.ask("User.objects.get(username='admin').issuer") == ""


def test_groups_follow_the_provider_during_a_session(site: Site, visit: Visit) -> None:
    site.campus.put("noether", preferred_username="noether", groups=["members", "algebra"])
    page = visit()
    enter(page, site, "noether")
    assert site.groups("noether") == ["algebra", "members"]
    site.campus.put("noether", groups=["members"], eduperson_entitlement="urn:example:rings")
    eventually(
        lambda: site.groups("noether") == ["members", "urn:example:rings"],
        within=60,
        what="another group",
    )
    page.goto("/account/")
    expect(page.locator("main")).to_contain_text("urn:example:rings")


def test_groups_are_updated_at_the_next_sign_in(site: Site, visit: Visit) -> None:
    site.campus.put("germain", preferred_username="germain", groups=["members", "elastic"])
    enter(visit(), site, "germain")
    site.campus.put("germain", groups=["members", "primes"])
    enter(visit(), site, "germain")
    assert site.groups("germain") == ["members", "primes"]


def test_a_role_comes_and_goes_with_its_group(site: Site, visit: Visit) -> None:
    site.campus.put("vaughan", preferred_username="vaughan", groups=["members", "bindery-staff"])
    page = visit()
    enter(page, site, "vaughan")
    page.goto("/admin/")
    expect(page.locator("#user-tools")).to_contain_text(re.compile("vaughan", re.IGNORECASE))
    site.campus.put("vaughan", groups=["members"])

    def is_plain() -> bool:
        page.goto("/admin/")
        return page.locator("#user-tools").count() == 0

    eventually(is_plain, within=60, what="the end of a role")
    assert site.ask("User.objects.get(username='vaughan').is_staff") == "False"
    page.goto("/account/")
    expect(page.locator("main")).to_contain_text("vaughan")


def test_claim_cannot_join_a_group_that_has_permissions(site: Site, visit: Visit) -> None:
    site.campus.put("eve", preferred_username="eve", groups=["members", "operator", "viewer"])
    enter(visit(), site, "eve")
    eve = "User.objects.get(username='eve')"
    assert site.ask(f"{eve}.is_staff, {eve}.get_all_permissions()") == "False set()"


def test_refused_person_is_told_and_can_use_another_account(site: Site, visit: Visit) -> None:
    site.campus.put("outside", email="outside@campus.example", groups=["alumni"])
    site.campus.put("inside", preferred_username="inside", **MEMBER)
    page = visit()
    choose(page)
    answer(page, "outside")
    card = page.locator("main")
    expect(card).to_contain_text("oidc.not-allowed")
    expect(card).to_contain_text("outside@campus.example")
    assert site.ask("User.objects.filter(subject='outside').exists()") == "False"
    page.get_by_role("button", name="Sign in with another account").click()
    expect(page.get_by_role("heading", name="Provider")).to_be_visible()
    answer(page, "inside")
    page.wait_for_url(f"{site.stack.url}/")
