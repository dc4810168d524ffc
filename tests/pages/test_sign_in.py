"""Signing in and out, the account, and error pages."""

from __future__ import annotations

import re
from html import unescape

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


def test_signing_in_leads_home_or_to_the_requested_page(ada):
    assert sign_in(Client()).url == "/"
    assert sign_in(Client(), next="/account/").url == "/account/"
    assert sign_in(Client(), next="https://example.org/").url == "/"


def test_signing_in_on_the_way_to_a_notebook_leaves_the_form_behind(ada, as_ada):
    """A redirect from the form to the notebook's host is one that browsers refuse to follow."""
    way = "/projects/ada-flowers-aaaaaaaa/open/?path=/lab/tree/a.ipynb&entrant=0"
    for client in (Client(), as_ada):
        page = sign_in(client, next=way)
        assert page.status_code == 200
        refresh = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.content.decode())
        assert refresh and unescape(refresh[1]) == way
        assert page.headers["cache-control"] == "no-store"
        assert client.get("/account/").status_code == 200


def test_wrong_password_shows_an_error_and_keeps_the_username(ada, as_eve):
    page = sign_in(as_eve, "wrong").content.decode()
    assert "do not match" in page
    assert 'value="ada"' in page
    assert "wrong" not in re.findall(r'value="([^"]*)"', page)


def test_disabled_account_looks_like_a_wrong_password(ada, as_eve):
    ada.is_active = False
    ada.save()
    assert "do not match" in sign_in(as_eve).content.decode()


def test_signed_in_person_is_not_asked_to_sign_in_again(as_ada):
    assert as_ada.get("/sign-in/").url == "/"


def test_signing_out_ends_notebook_access_of_this_browser_only(ada, as_ada, backend):
    project = project_in(ProjectState.READY, ada)
    other = Client()
    other.force_login(ada)
    for browser in (as_ada, other):
        browser.get(f"/projects/{project.name}/open/", {"path": "/lab", "entrant": "0" * 64})
    assert Access.objects.count() == 2
    assert as_ada.post("/sign-out/").url == "/"
    assert Access.objects.count() == 1
    assert as_ada.get("/account/").status_code == 302


def test_signing_out_needs_a_post_request(as_ada):
    assert as_ada.get("/sign-out/").status_code == 405
    assert as_ada.get("/account/").status_code == 200


def test_account_page_shows_email_volume_and_usage(ada, as_ada, backend):
    project_in(ProjectState.STOPPED, ada)
    page = " ".join(re.sub(r"<[^>]*>", " ", as_ada.get("/account/").content.decode()).split())
    for words in ("ada@example.org", "/home/ada-nfs-pvc", "1 of 5"):
        assert words in page


def test_missing_page_links_to_the_home_page(as_eve, as_ada):
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


def test_page_declares_its_language(as_eve):
    assert f'<html lang="{settings.LANGUAGE_CODE}">' in as_eve.get("/").content.decode()
