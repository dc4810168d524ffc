"""The API documentation page lists every call and loads nothing that its policy would refuse."""

from __future__ import annotations

import gzip
import re

import pytest

from sessions.api.openapi import schema

ADDRESS = "/api/v1/docs/"

pytestmark = pytest.mark.django_db


def test_everybody_sees_every_call(as_eve, as_ada):
    for client in (as_eve, as_ada):
        page = client.get(ADDRESS).content.decode()
        for methods in schema()["paths"].values():
            for operation in methods.values():
                assert f'id="{operation["operationId"]}"' in page


def test_only_signed_in_people_can_try_calls(as_eve, as_ada):
    assert b'class="try-form"' not in as_eve.get(ADDRESS).content
    assert b"/sign-in/?next=/api/v1/docs/" in as_eve.get(ADDRESS).content
    assert b'class="try-form"' in as_ada.get(ADDRESS).content


def test_the_page_has_no_inline_script_or_style_and_is_small(as_ada):
    answer = as_ada.get(ADDRESS)
    page = answer.content.decode()
    assert "Content-Security-Policy" in answer.headers
    assert not re.search(r"<script>|<style| style=| on[a-z]+=\"", page)
    assert not re.search(r'(?:src|href)="https?:', page)
    assert len(gzip.compress(answer.content)) < 20_000


def test_links_to_objects_have_targets(as_ada):
    page = as_ada.get(ADDRESS).content.decode()
    ids = set(re.findall(r' id="([^"]+)"', page))
    assert set(re.findall(r'href="#(object-[^"]+)"', page)) <= ids
