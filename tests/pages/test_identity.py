"""The account page's frame: who is signed in, and ending all sign-ins."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from portal import roles
from portal.accounts.oidc.provider import Provider
from portal.models import User
from sessions.gateway import tickets
from sessions.models import Access, Project
from sessions.states import ProjectState
from tests.making import words_of
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

LEAVE = "/account/sign-out-everywhere/"


def test_page_shows_who_is_signed_in(ada, as_ada):
    User.objects.filter(pk=ada.pk).update(first_name="Ada", last_name="Lovelace")
    text = words_of(as_ada)
    for words in ("Username ada", "Name Ada Lovelace", "Email ada@example.org",
                  "a password for this portal", "Member since", "/home/ada-nfs-pvc"):  # fmt: skip
        assert words in text


def test_page_names_the_identity_provider(ada, as_ada, settings):
    issuer = "https://id.example.org"
    User.objects.filter(pk=ada.pk).update(issuer=issuer, subject="248289761001")
    assert "id.example.org" in words_of(as_ada)
    campus = Provider("campus", "Campus Login", "id", "secret", issuer)
    settings.OIDC_PROVIDERS = {"campus": campus}
    assert f"You sign in with Campus Login {issuer}" in words_of(as_ada)


def test_each_group_says_where_it_comes_from(ada, as_ada):
    issuer = {"issuer": "https://id.example.org", "subject": "1"}
    User.objects.filter(pk=ada.pk).update(**issuer, claimed=["physics"])
    for name in ("physics", "chess"):
        ada.groups.add(Group.objects.create(name=name))
    roles.assign_role(ada, "support")
    text = words_of(as_ada)
    for words in ("physics from id.example.org", "chess added by staff", "support added by staff"):
        assert words in text


def test_every_section_is_linked_and_exists(as_ada):
    html = as_ada.get("/account/").content.decode()
    nav = html.partition('class="sections"')[2].partition("</nav>")[0]
    places = re.findall(r'href="#([\w-]+)"', nav)
    assert len(places) > 6
    assert [place for place in places if html.count(f'id="{place}"') != 1] == []


def test_signing_out_everywhere_ends_all_browsers_but_no_notebook(ada, as_ada, as_bob):
    other = Client()
    other.force_login(ada)
    project = project_in(ProjectState.READY, ada)
    tickets.issue_ticket(ada, project, "some browser", "entrant")
    answer = as_ada.post(LEAVE)
    assert (answer.status_code, answer.url) == (303, "/sign-in/")
    for client in (as_ada, other):
        assert client.get("/account/").status_code == 302
    assert "You are signed out everywhere." in as_ada.get("/sign-in/").content.decode()
    assert as_bob.get("/account/").status_code == 200
    assert not Access.objects.exists()
    assert Project.objects.get().state == ProjectState.READY
    assert as_ada.login(username="ada", password="ada's password")
    assert as_ada.get("/account/").status_code == 200
