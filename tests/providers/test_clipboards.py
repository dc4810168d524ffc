"""Texts as people copy them: lines of READMEs, other pages of forges, DOIs in sentences."""

from __future__ import annotations

import pytest

from sessions.errors import UserError
from sessions.providers import archive_page, launch_link, parse_repository

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIST = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
BADGE = "https://mybinder.org/badge_logo.svg"
LINK = "https://mybinder.org/v2/gh/o/r/v1?labpath=a.ipynb"
HUGGING = "https://huggingface.co/datasets/o/r"


@pytest.mark.parametrize(
    "text",
    [
        f"![Binder]({BADGE}) [launch]({LINK})",
        f"* [![Binder]({BADGE})]({LINK})",
        f"# Flowers\n\nTry it: [![Binder]({BADGE})]({LINK}).",
        f"[![Binder][badge]][link]\n\n[badge]: {BADGE}\n[link]: {LINK}",
        f"[[{LINK}][{BADGE}]]",
        f"image:{BADGE}[Binder, link={LINK}]",
        f"\\\\href{{{LINK}}}{{Binder}}",
        f"Our notebook is at {LINK}.",
        f"({LINK})",
        f"`{LINK}`",
    ],
)
def test_the_launch_link_in_a_text_is_found(text: str):
    found = parse_repository(text)
    assert (found.repository, found.ref, found.path) == ("o/r", "v1", "a.ipynb")


@pytest.mark.parametrize(
    ("text", "repository", "ref", "path"),
    [
        ("https://github.com/o/r/commits/dev/nb/a.ipynb", "o/r", "dev", "nb/a.ipynb"),
        ("https://codeload.github.com/o/r/zip/refs/heads/dev", "o/r", "dev", ""),
        ("https://gitlab.com/g/r/-/archive/dev/r-dev.zip", "g/r", "dev", ""),
        ("https://gitlab.com/g/r/-/archive/fix/it/r-fix-it.tar", "g/r", "fix/it", ""),
        (f"https://gist.github.com/u/{GIST}/revisions", f"u/{GIST}", "", ""),
        (f"https://gist.github.com/u/{GIST}/archive/{COMMIT}.zip", f"u/{GIST}", COMMIT, ""),
        ("https://codeberg.org/o/r/src/dev/a.ipynb", "https://codeberg.org/o/r", "dev", "a.ipynb"),
        ("https://codeberg.org/o/r/archive/dev.zip", "https://codeberg.org/o/r", "dev", ""),
        ("https://git.sr.ht/~u/r/tree/dev/item/a.py", "https://git.sr.ht/~u/r", "dev", "a.py"),
        (f"{HUGGING}/resolve/dev/a.ipynb?download=true", HUGGING, "dev", "a.ipynb"),
        ("glab repo clone g/s/r", "g/s/r", "", ""),
        ("git clone https://github.com/o/r.git  # or your fork", "o/r", "", ""),
        ("`git clone https://github.com/o/r`", "o/r", "", ""),
        ("https://mybinder.org/repo/o/r", "o/r", "", ""),
        ("/v2/gl/g%252Fr/dev", "g/r", "dev", ""),
        ("/v2/git/https%253A%252F%252Fh.org%252Fg%252Fr/dev", "https://h.org/g/r", "dev", ""),
        ("/v2/gh/o/r/dev?filepath=%2Fnb%2F%2Fa.ipynb", "o/r", "dev", "nb/a.ipynb"),
        ("/v2/gh/o/r/dev?labpath=nb/./a.ipynb", "o/r", "dev", "nb/a.ipynb"),
    ],
)
def test_what_browsers_and_commands_show_is_understood(
    text: str, repository: str, ref: str, path: str
):
    found = parse_repository(text)
    assert (found.repository, found.ref, found.path) == (repository, ref, path)
    again = parse_repository(launch_link(found))
    assert (again.url, again.ref, again.path) == (found.url, ref, path)


def test_a_link_of_the_first_mybinder_opens_the_same_address():
    found = parse_repository("http://mybinder.org:80/repo/o/r/notebooks/a%20b.ipynb")
    assert (found.repository, found.urlpath) == ("o/r", "notebooks/a b.ipynb")


@pytest.mark.parametrize("page", ["issues/7", "wiki", "branches", "_edit/main/a", "compare/a...b"])
@pytest.mark.parametrize("host", ["codeberg.org", "bitbucket.org", "gitea.com"])
def test_a_page_about_a_repository_is_not_taken_for_one(host: str, page: str):
    with pytest.raises(UserError, match="Paste the address of its files or of a branch"):
        parse_repository(f"https://{host}/o/r/{page}")


@pytest.mark.parametrize("text", ["sudo apt install git", "ada flowers"])
def test_words_are_not_taken_for_an_address(text: str):
    with pytest.raises(UserError, match="Paste only the address"):
        parse_repository(text)


@pytest.mark.parametrize(
    "text",
    [
        "10.5281/zenodo.3242074.",
        "(10.5281/zenodo.3242074)",
        "doi:10.5281/zenodo.3242074).",
        "https://doi.org/10.5281%2Fzenodo.3242074",
        "https://doi.org/10.5281/zenodo.3242074#abstract",
        "doi.org/10.5281/zenodo.3242074?utm_source=x",
        "https://zenodo.org/badge/DOI/10.5281/zenodo.3242074.svg",
    ],
)
def test_a_doi_is_read_as_it_stands_in_texts_and_badges(text: str):
    found = parse_repository(text)
    assert (found.provider, found.repository) == ("zenodo", "10.5281/zenodo.3242074")


def test_a_doi_keeps_its_brackets():
    assert parse_repository("10.1002/(SICI)x(1)").repository == "10.1002/(SICI)x(1)"


@pytest.mark.parametrize("tail", ["", "/3"])
def test_a_universitys_own_figshare_is_no_ckan(tail: str):
    page = f"https://figshare.uni.ac.uk/articles/dataset/flowers/9782777{tail}"
    assert parse_repository(page).provider == "figshare"
    assert archive_page(page) == ("figshare", page)
