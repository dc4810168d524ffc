"""Names are safe whatever people type: DNS labels, distinct from each other, never a path."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.names import (
    image_name,
    owner_slug,
    project_name,
    readable_address,
    repository_title,
    short_commit,
)

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def test_a_project_is_named_after_owner_and_repository():
    assert project_name("marsja/bindertut", "lrkajvgx") == "marsja-bindertut-lrkajvgx"
    assert project_name("https://git.example.org/a/b/c.git", "x" * 8) == "b-c-xxxxxxxx"
    assert re.fullmatch(r"marsja-bindertut-[a-z0-9]{8}", project_name("marsja/bindertut"))


@pytest.mark.parametrize(
    ("address", "start"),
    [
        ("https://git.example.org/caf%C3%A9/m%C3%BCnchen%20data.git", "cafe-munchen-data"),
        ("https://git.example.org/straße/Øre", "strasse-ore"),
        ("https://git.example.org/данные/北京", "dannye-beijing"),
        ("https://git.example.org/%E4/x", "e4-x"),
    ],
)
def test_letters_of_other_scripts_are_transliterated(address, start):
    assert project_name(address, "x" * 8) == f"{start}-xxxxxxxx"


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("https://github.com/jupyterlab/jupyterlab", "jupyterlab/jupyterlab"),
        ("https://git.example.org:8443/a/b/c.git/", "b/c"),
        ("git@git.example.org:ada/flowers.git", "ada/flowers"),
        ("ssh://git@git.example.org:2222/ada/flowers.git", "ada/flowers"),
        ("http://localhost:1/none.git", "none"),
        ("https://git.example.org/m%C3%BCnchen/data", "münchen/data"),
        ("marsja/bindertut", "marsja/bindertut"),
        ("10.5281/zenodo.3242074", "10.5281/zenodo.3242074"),
    ],
)
def test_a_repository_is_headed_by_its_owner_and_name(address, title):
    assert repository_title(address) == title


@pytest.mark.parametrize("escape", ["%2F", "%2f", "%E2%80%AE", "%00", "%E4"])
def test_an_escape_that_could_mislead_is_shown_as_it_is(escape):
    address = f"https://git.example.org/ada/{escape}x"
    assert readable_address(address) == address


def test_an_image_is_named_after_repository_and_short_commit():
    name = image_name("marsja/bindertut", "0123456789abcdef0123456789abcdef01234567")
    assert re.fullmatch(r"marsja-bindertut-0123456789ab-[0-9a-f]{6}", name)


@given(st.text())
def test_any_address_gives_a_dns_label(text):
    assert LABEL.fullmatch(project_name(text))
    assert len(image_name(text, "c" * 40)) <= 80


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_username_gives_a_distinct_folder_name(text):
    slug = owner_slug(text)
    assert LABEL.fullmatch(slug)
    assert len(f"{slug}-nfs-pvc") <= 63
    assert slug == text or slug != owner_slug(slug), "somebody else could be called that"


def test_plain_usernames_are_unchanged():
    assert owner_slug("ada") == "ada"
    assert owner_slug("Ada") != owner_slug("ada")
    assert owner_slug("..") not in {"", ".", ".."}


@pytest.mark.parametrize(("length", "is_plain"), [(1, True), (55, True), (56, False), (150, False)])
def test_a_long_username_leaves_room_for_the_suffix_in_its_label(length: int, is_plain: bool):
    username = "a" * length
    found = owner_slug(username)
    assert (found == username) is is_plain
    assert len(f"{found}-nfs-pvc") <= 63
    assert owner_slug(f"{username}b") != found


@pytest.mark.parametrize("plain", ["ada", "a-da", "x"])
def test_similar_usernames_have_distinct_folders(plain):
    """However many of them there are: each may read what is in the folder of their label."""
    alike = {plain, plain.upper(), plain.title(), plain.replace("-", "."), plain.replace("-", "_")}
    alike |= {f".{plain}", f"{plain}.", f"-{plain}", f"{plain}_", f"+{plain}+"}
    assert len({owner_slug(username) for username in alike}) == len(alike)


@pytest.mark.parametrize("length", [10, 53, 54, 55, 200])
def test_a_long_repository_name_gives_a_valid_label(length):
    for repository in ("a" * length, f"ada/{'b' * length}", f"{'-a' * length}/x"):
        name = project_name(repository)
        assert LABEL.fullmatch(name)
        assert re.fullmatch(r".*-[a-z0-9]{8}", name)


def test_names_of_projects_and_images_are_unique():
    assert len({project_name("ada/flowers") for _number in range(20)}) == 20
    assert len({image_name("ada/flowers", "c0ffee" * 7) for _number in range(20)}) == 20


def test_a_commit_is_shortened_and_the_version_of_an_archive_is_not():
    assert short_commit("c0ffee1234" * 4) == "c0ffee1"
    assert [short_commit(each) for each in ("14007206", "9782777.v3", "")] == [
        "14007206", "9782777.v3", "",
    ]  # fmt: skip
