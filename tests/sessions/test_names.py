"""Names hold whatever people type: DNS labels, unlike each other, never a path."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from sessions.names import image_name, owner_slug, project_name

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def test_a_project_is_called_after_owner_and_repository():
    assert project_name("marsja/bindertut", "lrkajvgx") == "marsja-bindertut-lrkajvgx"
    assert project_name("https://git.example.org/a/b/c.git", "x" * 8) == "b-c-xxxxxxxx"
    assert re.fullmatch(r"marsja-bindertut-[a-z0-9]{8}", project_name("marsja/bindertut"))


@given(st.text())
def test_any_address_gives_a_dns_label(text):
    assert LABEL.fullmatch(project_name(text))
    assert len(image_name(text, "c" * 40)) <= 80


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_username_gives_a_folder_name_of_its_own(text):
    slug = owner_slug(text)
    assert LABEL.fullmatch(slug)
    assert len(f"{slug}-nfs-pvc") <= 63
    assert slug == text or slug != owner_slug(slug), "somebody else could be called that"


def test_plain_usernames_stay_as_they_are():
    assert owner_slug("ada") == "ada"
    assert owner_slug("Ada") != owner_slug("ada")
    assert owner_slug("..") not in {"", ".", ".."}
