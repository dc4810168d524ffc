"""A second repository for the content: understood in the form, in links, and in nbgitpuller's."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from sessions.errors import UserError
from sessions.providers import (
    Repository,
    describe,
    launch_link,
    parse_launch_link,
    parse_repository,
    pulled_place,
)

COURSE = Repository("gh", "ada/course", "https://github.com/ada/course.git")
PULL = "git-pull?repo=https%3A%2F%2Fgithub.com%2Fada%2Fcourse&branch=main&urlpath="


@pytest.mark.parametrize(
    ("text", "url", "ref", "path"),
    [
        ("ada/course", COURSE.url, "", ""),
        ("ada/course@v1", COURSE.url, "v1", ""),
        ("https://github.com/ada/course@feature/x", COURSE.url, "feature/x", ""),
        ("https://github.com/ada/course.git@v1", COURSE.url, "v1", ""),
        ("https://github.com/ada/course/blob/main/w/a.ipynb", COURSE.url, "main", "w/a.ipynb"),
        ("https://git.example.org/ada/course@a@b", "https://git.example.org/ada/course", "a@b", ""),
        ("https://git.example.org/@ada/course", "https://git.example.org/@ada/course", "", ""),
        ("git@git.example.org:ada/c@v1", "ssh://git@git.example.org/ada/c", "v1", ""),
        (f"https://hub.example.org/{PULL}lab/tree/course/a.ipynb", COURSE.url, "main", "a.ipynb"),
        ("git clone -b v1 https://github.com/ada/course", COURSE.url, "v1", ""),
    ],
)
def test_the_content_is_understood_with_its_ref_and_file(text, url, ref, path):
    found = parse_repository("o/env@main", content=text)
    assert (found.repository, found.ref, found.path) == ("o/env", "main", path)
    source = found.content_source
    assert source
    assert (source.url, source.ref, source.path) == (url, ref, path)
    again = parse_launch_link(launch_link(found))
    assert (again.url, again.ref, again.path) == (found.url, found.ref, found.path)
    assert again.content_source
    assert (again.content_source.url, again.content_source.ref) == (url, ref)


def test_a_typed_path_is_a_file_of_the_content_and_the_environments_file_counts_for_nothing():
    page = "https://github.com/o/env/blob/main/env.ipynb"
    assert parse_repository(page, content="ada/course").path == ""
    found = parse_repository(page, path="w/a.ipynb", content="ada/course")
    assert (found.path, found.ref) == ("w/a.ipynb", "main")
    assert found.content_source
    assert found.content_source.candidates() == [("", "w/a.ipynb")]


@pytest.mark.parametrize(
    ("query", "path", "urlpath"),
    [
        ("labpath=w/a.ipynb", "w/a.ipynb", "doc/tree"),
        ("filepath=a.ipynb", "a.ipynb", "tree"),
        ("urlpath=lab/tree/course/w/a.ipynb", "w/a.ipynb", ""),
        ("urlpath=lab/tree/other/a.ipynb", "", "lab/tree/other/a.ipynb"),
        ("urlpath=rstudio/", "", "rstudio"),
        ("urlpath=git-pull%3Frepo%3Dhttps://github.com/eve/lure", "", ""),
        ("", "", ""),
    ],
)
def test_a_link_opens_a_file_of_the_content_or_an_address_of_the_notebooks_host(
    query, path, urlpath
):
    found = parse_launch_link(f"/v2/gh/o/env/main?content=ada/course%40v1&{query}")
    assert (found.path, found.urlpath) == (path, urlpath)
    assert found.content_source
    assert (found.content_source.url, found.content_source.ref) == (COURSE.url, "v1")
    assert parse_launch_link(launch_link(found)) == found


def test_a_link_has_the_content_before_what_opens():
    found = parse_repository("o/env", path="a b.ipynb", content="ada/course@v1")
    assert launch_link(found) == (
        "/v2/gh/o/env/HEAD?content=https%3A//github.com/ada/course%40v1"
        "&urlpath=lab/tree/course/a%20b.ipynb"
    )


def test_the_form_says_whose_files_are_used():
    found = parse_repository("o/env@main", path="a.ipynb", content="git@git.example.org:ada/c@v1")
    assert describe(found) == (
        "GitHub",
        "o/env",
        "branch or tag main",
        "files of ssh://git@git.example.org/ada/c",
        "branch or tag v1",
        "opens a.ipynb",
        "with your SSH key",
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nonsense", "launch.repository-not-understood"),
        ("file:///etc/passwd", "launch.protocol-not-allowed"),
        ("https://ada:secret@git.example.org/c", "launch.repository-has-password"),
        ("https://127.0.0.1/ada/course", "launch.address-private"),
        ("ada/course@--upload-pack=x", "launch.ref-not-understood"),
        ("10.5281/zenodo.1234", "launch.content-archive"),
        ("/v2/gh/ada/course/HEAD", "launch.repository-not-understood"),
        ("/v2/gh/a/b/c?content=" * 40, "launch.repository-not-understood"),
    ],
)
def test_what_cannot_be_content_is_refused_as_a_repository_would_be(text, code):
    for parse in (
        lambda: parse_repository("o/env", content=text),
        lambda: parse_launch_link(f"/v2/gh/o/env/HEAD?content={quote(text, safe='')}"),
    ):
        with pytest.raises(UserError) as refused:
            parse()
        assert refused.value.code == code
        assert refused.value.message.startswith("The content’s repository: ")


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("https://github.com/ada/course.git", "course"),
        ("https://git.example.org/ada/My%20Course", "My-Course"),
        ("https://git.example.org/ada/..git", "content"),
        ("https://git.example.org/ada/-x", "x"),
        ("https://git.example.org/ada/.ssh", "ssh"),
        ("https://git.example.org/ada/%2e%2e%2fx", "x"),
        ("https://git.example.org/ada/" + "x" * 300, "x" * 100),
        ("https://git.example.org/ada/\u8bfe\u7a0b", "content"),
    ],
)
def test_the_folder_has_the_repositorys_name_as_far_as_that_is_harmless(url, folder):
    assert Repository("git", url, url).folder == folder


@pytest.mark.parametrize(
    ("shown", "place"),
    [
        ("lab/tree/course/w/a.ipynb", ("w/a.ipynb", "")),
        ("tree/course/a.ipynb", ("a.ipynb", "tree")),
        ("lab", ("", "")),
        ("lab/tree/course", ("", "")),
        ("tree/", ("", "")),
        ("rstudio/", ("", "rstudio")),
        ("", ("", "")),
    ],
)
def test_nbgitpullers_link_is_understood_as_content_and_stays_as_it_is(shown, place):
    urlpath = PULL + quote(shown, safe="/").rstrip("/")
    link = f"/v2/gh/o/env/main?urlpath={quote(urlpath, safe='')}"
    found = parse_launch_link(link)
    assert (found.path, found.urlpath) == ("", urlpath)
    assert found.content_source == Repository("gh", "ada/course", COURSE.url, "main")
    assert pulled_place(urlpath) == place
    assert "content=" not in launch_link(found)
    assert parse_launch_link(launch_link(found)) == found


@pytest.mark.parametrize("repo", ["", "nonsense", "https://127.0.0.1/x", "/v2/gh/a/b/c"])
def test_what_only_nbgitpuller_may_understand_is_left_to_it(repo):
    urlpath = f"git-pull?repo={quote(repo, safe='')}"
    found = parse_launch_link(f"/v2/gh/o/env/main?urlpath={quote(urlpath, safe='')}")
    assert (found.urlpath, found.content_source) == (urlpath, None)
