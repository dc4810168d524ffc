"""Signing in and out, the account, and error pages."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.test import Client

from sessions.models import Access
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = pytest.mark.django_db

PASSWORD = "ada's password"


def sign_in(client: Client, password: str = PASSWORD, **more: str):
    return client.post("/sign-in/", {"username": "ada", "password": password, **more})


def test_signing_in_leads_home_or_where_one_wanted_to_go(ada):
    assert sign_in(Client()).url == "/"
    assert sign_in(Client(), next="/account/").url == "/account/"
    assert sign_in(Client(), next="https://example.org/").url == "/"


def test_a_wrong_password_is_said_kindly_and_the_name_is_kept(ada, as_eve):
    page = sign_in(as_eve, "wrong").content.decode()
    assert "do not match" in page
    assert 'value="ada"' in page
    assert "wrong" not in re.findall(r'value="([^"]*)"', page)


def test_a_closed_account_looks_like_a_wrong_password(ada, as_eve):
    ada.is_active = False
    ada.save()
    assert "do not match" in sign_in(as_eve).content.decode()


def test_whoever_is_signed_in_is_not_asked_again(as_ada):
    assert as_ada.get("/sign-in/").url == "/"


def test_signing_out_ends_this_browsers_way_to_the_notebooks(ada, as_ada, backend):
    project = project_in(ProjectState.READY, ada)
    other = Client()
    other.force_login(ada)
    for browser in (as_ada, other):
        browser.get(f"/projects/{project.name}/open/", {"path": "/lab", "entrant": "0" * 64})
    assert Access.objects.count() == 2
    assert as_ada.post("/sign-out/").url == "/"
    assert Access.objects.count() == 1
    assert as_ada.get("/account/").status_code == 302


def test_signing_out_takes_a_post(as_ada):
    assert as_ada.get("/sign-out/").status_code == 405
    assert as_ada.get("/account/").status_code == 200


def test_the_account_says_who_one_is_and_what_one_has(ada, as_ada, backend):
    project_in(ProjectState.STOPPED, ada)
    page = " ".join(re.sub(r"<[^>]*>", " ", as_ada.get("/account/").content.decode()).split())
    for words in ("ada@example.org", "/home/ada-nfs-pvc", "1 of 5"):
        assert words in page


def test_what_is_not_there_is_a_page_with_a_next_step(as_eve, as_ada):
    for client in (as_eve, as_ada):
        answer = client.get("/no/such/page/")
        assert answer.status_code == 404
        assert 'href="/"' in answer.content.decode()


@pytest.mark.parametrize("address", ["/", "/sign-in/", "/account/", "/no/such/page/"])
def test_pages_allow_no_inline_script_or_style(as_ada, address):
    answer = as_ada.get(address, follow=True)
    policy = answer.headers["Content-Security-Policy"]
    page = answer.content.decode()
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//(?!testserver)", page)


def test_the_language_of_the_page_is_named(as_eve):
    assert f'<html lang="{settings.LANGUAGE_CODE}">' in as_eve.get("/").content.decode()
