"""Texts in people's clipboards, and the provider, repository, ref and file in them."""

from __future__ import annotations

import pytest

from sessions.errors import UserError
from sessions.providers import describe, launch_link, parse_repository
from sessions.providers.repository import path_spellings

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIST = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
CODEBERG = "https://codeberg.org/o/r"
BADGE = "https://mybinder.org/badge_logo.svg"
LINK = "https://mybinder.org/v2/gh/o/r/v1?labpath=a.ipynb"

UNDERSTOOD = {
    # pages of GitHub
    "https://github.com/o/r": ("gh", "o/r", "", ""),
    "https://github.com/o/r.git": ("gh", "o/r", "", ""),
    "https://github.com/o/r/tree/dev": ("gh", "o/r", "dev", ""),
    "https://github.com/o/r/tree/dev/nb": ("gh", "o/r", "dev", "nb"),
    "https://github.com/o/r/blob/dev/nb/a.ipynb": ("gh", "o/r", "dev", "nb/a.ipynb"),
    "https://github.com/o/r/blob/refs/heads/dev/a.ipynb": ("gh", "o/r", "dev", "a.ipynb"),
    "https://github.com/o/r/tree/feature%2Fx": ("gh", "o/r", "feature", "x"),
    "https://github.com/o/r/pull/12": ("gh", "o/r", "pull/12", ""),
    "https://github.com/o/r/pull/12/files": ("gh", "o/r", "pull/12", ""),
    "github.com/o/r/pull/12": ("gh", "o/r", "pull/12", ""),
    f"https://github.com/o/r/commit/{COMMIT}": ("gh", "o/r", COMMIT, ""),
    "https://github.com/o/r/commit/0123456": ("gh", "o/r", "0123456", ""),
    "https://github.com/o/r/releases/tag/v1": ("gh", "o/r", "v1", ""),
    "https://github.com/o/r/archive/refs/tags/v1.zip": ("gh", "o/r", "v1", ""),
    "http://github.com/o/r": ("gh", "o/r", "", ""),
    "https://www.github.com/o/r": ("gh", "o/r", "", ""),
    "www.github.com/o/r": ("gh", "o/r", "", ""),
    "http://www.github.com/o/r/": ("gh", "o/r", "", ""),
    "https://github.com/o/r/tree/dev/nb?tab=readme#x": ("gh", "o/r", "dev", "nb"),
    "https://github.com/o/r?tab=readme-ov-file": ("gh", "o/r", "", ""),
    "https://https://github.com/o/r": ("gh", "o/r", "", ""),
    "https://github.com/o/r#installation": ("gh", "o/r", "", ""),
    "https://github.com/o/r.": ("gh", "o/r", "", ""),
    "https://github.com/o/r/tree/dev/nb),": ("gh", "o/r", "dev", "nb"),
    "https://github.com/o/r/blob/dev/a(1).ipynb": ("gh", "o/r", "dev", "a(1).ipynb"),
    "https://github.com/o/r/blob/dev/a.ipynb!": ("gh", "o/r", "dev", "a.ipynb"),
    "git@github.com:o/r.git": ("git", "ssh://git@github.com/o/r.git", "", ""),
    "ssh://git@github.com/o/r": ("git", "ssh://git@github.com/o/r", "", ""),
    "https://github.dev/o/r": ("gh", "o/r", "", ""),
    "github.dev/o/r/tree/dev": ("gh", "o/r", "dev", ""),
    "https://raw.githubusercontent.com/o/r/dev/a.ipynb": ("gh", "o/r", "dev", "a.ipynb"),
    "o/r@dev": ("gh", "o/r", "dev", ""),
    "o/r@feature/x": ("gh", "o/r", "feature/x", ""),
    "git+https://github.com/o/r.git@v1#egg=r": ("gh", "o/r", "v1", ""),
    # GitLab, on any host
    "https://gitlab.com/g/s/r/-/tree/dev/nb": ("gl", "g/s/r", "dev", "nb"),
    "https://gitlab.com/g/r/-/tree/dev?ref_type=heads": ("gl", "g/r", "dev", ""),
    "https://gitlab.com/g/r/-/blob/dev/a.ipynb": ("gl", "g/r", "dev", "a.ipynb"),
    "https://gitlab.com/g/r/-/merge_requests/3": ("gl", "g/r", "merge-requests/3", ""),
    "https://gitlab.com/g/r/blob/dev/a.ipynb": ("gl", "g/r", "dev", "a.ipynb"),
    "http://gitlab.com/g/r": ("gl", "g/r", "", ""),
    "https://git.h.org/g/s/r/-/blob/dev/a.ipynb": (
        "git", "https://git.h.org/g/s/r", "dev", "a.ipynb",
    ),
    "https://git.h.org/g/r/-/tree/dev?ref_type=heads": ("git", "https://git.h.org/g/r", "dev", ""),
    "https://git.h.org/g/r/-/merge_requests/3": (
        "git", "https://git.h.org/g/r", "merge-requests/3", "",
    ),
    # Gitea, Forgejo, Codeberg
    CODEBERG: ("git", CODEBERG, "", ""),
    "https://codeberg.org/o/r/src/branch/dev": ("git", CODEBERG, "dev", ""),
    "https://codeberg.org/o/r/src/branch/dev/nb/a.ipynb": (
        "git", CODEBERG, "dev", "nb/a.ipynb",
    ),
    "https://git.h.org/o/r/src/tag/v1/a.ipynb": ("git", "https://git.h.org/o/r", "v1", "a.ipynb"),
    f"https://git.h.org/o/r/src/commit/{COMMIT}/nb/a.ipynb": (
        "git", "https://git.h.org/o/r", COMMIT, "nb/a.ipynb",
    ),
    "https://codeberg.org/o/r/src/tag/v1": ("git", CODEBERG, "v1", ""),
    "https://codeberg.org/o/r/pulls/7": ("git", CODEBERG, "pull/7", ""),
    "https://git.h.org/o/r/pulls/7": ("git", "https://git.h.org/o/r", "pull/7", ""),
    "https://codeberg.org/o/r/commit/0123456789": ("git", CODEBERG, "0123456789", ""),
    "http://codeberg.org/o/r": ("git", CODEBERG, "", ""),
    "https://git.h.org/forge/o/r/src/branch/dev": ("git", "https://git.h.org/forge/o/r", "dev", ""),
    # Bitbucket
    "https://bitbucket.org/o/r/src/dev/nb/a.ipynb": (
        "git", "https://bitbucket.org/o/r", "dev", "nb/a.ipynb",
    ),
    "bitbucket.org/o/r/src/dev/a.ipynb": (
        "git", "https://bitbucket.org/o/r", "dev", "a.ipynb",
    ),
    "https://bitbucket.org/o/r/src/dev/": ("git", "https://bitbucket.org/o/r", "dev", ""),
    # gists
    f"https://gist.github.com/u/{GIST}": ("gist", f"u/{GIST}", "", ""),
    f"gist.github.com/u/{GIST}": ("gist", f"u/{GIST}", "", ""),
    f"https://gist.github.com/u/{GIST}#file-a-ipynb": ("gist", f"u/{GIST}", "", ""),
    f"https://gist.github.com/u/{GIST}.git": ("gist", f"u/{GIST}", "", ""),
    f"https://gist.github.com/u/{GIST}/{COMMIT}": ("gist", f"u/{GIST}", COMMIT, ""),
    # launch links of any hub, alone and in badges
    LINK: ("gh", "o/r", "v1", "a.ipynb"),
    "https://mybinder.org/v2/gh/o/r/HEAD": ("gh", "o/r", "", ""),
    "http://mybinder.org/v2/gh/o/r.git/HEAD": ("gh", "o/r", "", ""),
    "mybinder.org/v2/gh/o/r/feature/x?filepath=nb%2Fa.ipynb": (
        "gh", "o/r", "feature/x", "nb/a.ipynb",
    ),
    "https://hub.h.org/binder/v2/gl/g%2Fs%2Fr/dev/": ("gl", "g/s/r", "dev", ""),
    "https://hub.h.org/v2/git/https%3A%2F%2Fcodeberg.org%2Fo%2Fr/dev": (
        "git", CODEBERG, "dev", "",
    ),
    f"https://hub.h.org/v2/gist/u/{GIST}/master": ("gist", f"u/{GIST}", "", ""),
    "http://localhost:8000/v2/gh/o/r/dev": ("gh", "o/r", "dev", ""),
    "/v2/gh/o/r/dev": ("gh", "o/r", "dev", ""),
    f"[![Binder]({BADGE})]({LINK})": ("gh", "o/r", "v1", "a.ipynb"),
    f"[![ci](https://h.org/x)](https://h.org) [![Binder]({BADGE})]({LINK}) [x](https://h.org)": (
        "gh", "o/r", "v1", "a.ipynb",
    ),
    f".. image:: {BADGE}\n   :target: {LINK}": ("gh", "o/r", "v1", "a.ipynb"),
    f".. |binder| image:: {BADGE}\n   :alt: Binder\n   :target: {LINK}\n": (
        "gh", "o/r", "v1", "a.ipynb",
    ),
    f'<a href="{LINK}&amp;x=1"><img src="{BADGE}"></a>': ("gh", "o/r", "v1", "a.ipynb"),
    "[our code](https://github.com/o/r)": ("gh", "o/r", "", ""),
    # viewers
    "https://vscode.dev/github/o/r/blob/dev/a.ipynb": ("gh", "o/r", "dev", "a.ipynb"),
    "https://nbviewer.org/github/o/r/blob/dev/a.ipynb": ("gh", "o/r", "dev", "a.ipynb"),
    "nbviewer.jupyter.org/github/o/r/tree/dev/": ("gh", "o/r", "dev", ""),
    f"https://nbviewer.org/gist/u/{GIST}/a.ipynb": ("gist", f"u/{GIST}", "", "a.ipynb"),
    "https://colab.research.google.com/github/o/r/blob/dev/a.ipynb#scrollTo=x": (
        "gh", "o/r", "dev", "a.ipynb",
    ),
    # Bitbucket Server
    "https://bb.h.org/projects/KEY/repos/r/browse/nb/a.ipynb?at=refs%2Fheads%2Ffeature%2Fx": (
        "git", "https://bb.h.org/scm/key/r.git", "feature/x", "nb/a.ipynb",
    ),
    "https://h.org/bitbucket/users/ada/repos/r/browse": (
        "git", "https://h.org/bitbucket/scm/~ada/r.git", "", "",
    ),
    "https://bitbucket.h.org/projects/KEY/repos/r": (
        "git", "https://bitbucket.h.org/scm/key/r.git", "", "",
    ),
    f"https://bitbucket.h.org/projects/KEY/repos/r/commits/{COMMIT}": (
        "git", "https://bitbucket.h.org/scm/key/r.git", COMMIT, "",
    ),
    "https://bitbucket.h.org/projects/KEY/repos/r/pull-requests/3/overview": (
        "git", "https://bitbucket.h.org/scm/key/r.git", "refs/pull-requests/3/from", "",
    ),
    # other hubs' links for nbgitpuller
    "https://hub.h.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fo%2Fr"
    "&urlpath=lab%2Ftree%2Fr%2Fnb%2Fa.ipynb&branch=dev": ("gh", "o/r", "dev", "nb/a.ipynb"),
    "https://hub.h.org/user/ada/git-pull?repo=https://github.com/o/r.git&urlpath=tree/r/": (
        "gh", "o/r", "", "",
    ),
    "hub.h.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fcodeberg.org%2Fo%2Fr&targetpath=c"
    "&urlpath=notebooks%2Fc%2Fa.ipynb": ("git", CODEBERG, "", "a.ipynb"),
    "hub.h.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fcodeberg.org%2Fo%2Fr"
    "&targetPath=courses%2F2026%2Fc&urlpath=lab%2Ftree%2Fcourses%2F2026%2Fc%2Fnb%2Fa.ipynb": (
        "git", CODEBERG, "", "nb/a.ipynb",
    ),
    "https://hub.h.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fo%2Fr"
    "&app=notebook&subPath=nb%2Fa.ipynb": ("gh", "o/r", "", "nb/a.ipynb"),
    # commands
    "git clone --depth 1 -b x https://github.com/o/r": ("gh", "o/r", "x", ""),
    "$ git clone --branch=x --recurse-submodules git@h.org:o/r.git r": (
        "git", "ssh://git@h.org/o/r.git", "x", "",
    ),
    "!git clone https://github.com/o/r.git && cd r": ("gh", "o/r", "", ""),
    "git clone https://github.com/o/r\ncd r\n": ("gh", "o/r", "", ""),
    "git clone --depth 1 -b x https://codeberg.org/o/r": ("git", CODEBERG, "x", ""),
    "gh repo clone o/r": ("gh", "o/r", "", ""),
    "gh repo clone o/r -- --depth 1": ("gh", "o/r", "", ""),
    "glab repo clone g/r": ("gl", "g/r", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_pasted_text_is_understood(text: str):
    found = parse_repository(text)
    assert (found.provider, found.repository, found.ref, found.path) == UNDERSTOOD[text]


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_the_launch_link_of_what_was_understood_means_the_same(text: str):
    found = parse_repository(text)
    again = parse_repository(launch_link(found))
    assert (again.url, again.ref, again.path, again.urlpath) == (
        found.url, found.ref, found.path, found.urlpath,
    )  # fmt: skip


ZENODO, HYDROSHARE = "10.5281/zenodo.3242074", "b8f6eae9d89241cf8b5904033460af61"
DATA = "https://data.h.org"
ARCHIVES = {
    "10.5281/zenodo.3242074": ("zenodo", ZENODO),
    "doi:10.5281/zenodo.3242074": ("zenodo", ZENODO),
    "DOI 10.5281/ZENODO.3242074": ("zenodo", ZENODO),
    "DOI: 10.5281/zenodo.3242074": ("zenodo", ZENODO),
    "https://doi.org/10.5281/zenodo.3242074": ("zenodo", ZENODO),
    "http://dx.doi.org/10.5281/zenodo.3242074": ("zenodo", ZENODO),
    "doi.org/10.5281/zenodo.3242074": ("zenodo", ZENODO),
    "https://mybinder.org/v2/zenodo/10.5281/zenodo.3242074/?labpath=a.ipynb": ("zenodo", ZENODO),
    "doi:https://doi.org/10.6084/m9.figshare.9782777.v3":
        ("figshare", "10.6084/m9.figshare.9782777.v3"),
    "mybinder.org/v2/doi/10.5281/x/": ("doi", "10.5281/x"),
    "10.7910/DVN/TJCLKP": ("dataverse", "10.7910/DVN/TJCLKP"),
    f"mybinder.org/v2/hydroshare/{HYDROSHARE}":
        ("hydroshare", f"https://www.hydroshare.org/resource/{HYDROSHARE}"),
    "https://mybinder.org/v2/ckan/https%3A%2F%2Fdemo.ckan.org%2Fdataset%2Fsample":
        ("ckan", "https://demo.ckan.org/dataset/sample"),
    "https://zenodo.org/records/3242074": ("zenodo", "https://zenodo.org/records/3242074"),
    "https://sandbox.zenodo.org/record/1": ("zenodo", "https://sandbox.zenodo.org/record/1"),
    "https://zenodo.org/doi/10.5281/zenodo.3242074":
        ("zenodo", "https://zenodo.org/doi/10.5281/zenodo.3242074"),
    "https://figshare.com/articles/code/x/9782777":
        ("figshare", "https://figshare.com/articles/code/x/9782777"),
    "https://uni.figshare.com/articles/x/9782777":
        ("figshare", "https://uni.figshare.com/articles/x/9782777"),
    **{
        f"{DATA}/{page}": ("dataverse", f"{DATA}/{page}")
        for page in ("dataset.xhtml?persistentId=doi:10.7910/DVN/TJCLKP",
                     "citation?persistentId=doi:10.7910/DVN/TJCLKP",
                     "file.xhtml?persistentId=doi:10.7910/DVN/6ZXAGT/3YRRYJ",
                     "api/access/datafile/3323458")
    },
    f"https://www.hydroshare.org/resource/{HYDROSHARE}/":
        ("hydroshare", f"https://www.hydroshare.org/resource/{HYDROSHARE}"),
    f"{DATA}/en/dataset/x?activity_id=0c5f": ("ckan", f"{DATA}/en/dataset/x?activity_id=0c5f"),
    f"swh:1:dir:{COMMIT}": ("swh", f"swh:1:dir:{COMMIT}"),
    f"swh:1:rev:{COMMIT};origin=https://github.com/o/r": ("swh", f"swh:1:rev:{COMMIT}"),
    f"https://archive.softwareheritage.org/swh:1:dir:{COMMIT}": ("swh", f"swh:1:dir:{COMMIT}"),
}  # fmt: skip


@pytest.mark.parametrize("text", ARCHIVES)
def test_what_archives_keep_is_understood_and_has_a_launch_link(text: str):
    found = parse_repository(text)
    assert (found.provider, found.repository, found.ref) == (*ARCHIVES[text], "")
    assert parse_repository(launch_link(found)) == found
    again = parse_repository(found.repository, provider=found.provider)
    assert (again.provider, again.url) == (found.provider, found.url)
    with pytest.raises(UserError, match="versions instead of branches"):
        parse_repository(text, ref="main")


WHAT_TO_DO = r"[Pp]aste|[Ww]rite|[Ee]nter|Did you mean|Remove|Use"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://github.com/o", "Write a GitHub repository as owner/repository"),
        ("https://github.com/o/r/issues/3", "a page about o/r"),
        ("https://bitbucket.org/o/r/pull-requests/3", "the pull request's branch"),
        ("https://colab.research.google.com/drive/1AbC", "in no Git repository"),
        ("git clone", "Paste only the repository's address"),
        ("git clone --mirror https://h.org/a", "Paste only the repository's address"),
        ("git clone -c core.sshCommand=x https://h.org/a", "Paste only the repository's address"),
        ("git clone https://h.org/a b c", "Paste only the repository's address"),
        (f"![Binder]({BADGE})", "https://github.com/owner/repository"),
        ("https://mybinder.org/v2/gh/o/r", "Did you mean “o/r/HEAD”?"),
        ("https://hub.h.org/hub/user-redirect/git-pull?urlpath=lab", "Paste the repository's"),
        ("https://mybinder.org/v2/gl/g%2Fr", "Did you mean “g%2Fr/HEAD”?"),
        ("https://mybinder.org/v2/gh/o/r/a..b", "not a valid branch, tag or commit"),
        ("https://mybinder.org/v2/gh/o/r/dev?labpath=../x", "not a valid file or folder"),
        ("https://h.org/v2/git/https%3A%2F%2Fu%3Ap%40h.org%2Fr/HEAD", "name or password"),
        ("https://h.org/v2/git/https%3A%2F%2F10.0.0.1%2Fr/HEAD", "not on the public Internet"),
        ("https://h.org/v2/git/file%3A%2F%2F%2Fetc/HEAD", "Only https:// and ssh://"),
    ],
)
def test_what_is_not_understood_says_how_to_write_it(text: str, told: str):
    with pytest.raises(UserError, match=WHAT_TO_DO) as refused:
        parse_repository(text)
    assert told in refused.value.message
    assert refused.value.code.startswith("launch.")


@pytest.mark.parametrize(
    ("query", "path", "urlpath"),
    [
        ("labpath=nb/a.ipynb", "nb/a.ipynb", "doc/tree"),
        ("filepath=/nb/a.ipynb/", "nb/a.ipynb", "tree"),
        ("filepath=b&labpath=a&urlpath=c", "a", "doc/tree"),
        ("filepath=b&urlpath=c", "b", "tree"),
        ("labpath=&urlpath=lab", "", "lab"),
        ("urlpath=/rstudio/", "", "rstudio"),
        ("urlpath=lab/tree/nb/a%2520b.ipynb", "nb/a b.ipynb", ""),
        ("urlpath=lab/tree/a.ipynb%3Freset", "", "lab/tree/a.ipynb?reset"),
        ("labpath=a+b%20c.ipynb", "a b c.ipynb", "doc/tree"),
        ("labpath=%C3%BC.ipynb", "ü.ipynb", "doc/tree"),
        ("labpath=%2", "%2", "doc/tree"),
        ("labpath=%2520", "%20", "doc/tree"),
        (
            "urlpath=git-pull%3Frepo%3Dhttps%253A%252F%252Fgithub.com%252Fo%252Fc%26urlpath%3Dlab%252Ftree%252Fc%252F",
            "",
            "git-pull?repo=https%3A%2F%2Fgithub.com%2Fo%2Fc&urlpath=lab%2Ftree%2Fc%2F",
        ),
    ],
)  # fmt: skip
def test_the_query_of_a_launch_link_says_what_opens(query: str, path: str, urlpath: str):
    found = parse_repository(f"https://mybinder.org/v2/gh/o/r/HEAD?{query}")
    assert (found.path, found.urlpath) == (path, urlpath)
    again = parse_repository(launch_link(found))
    assert (again.path, again.urlpath) == (path, urlpath)


@pytest.mark.parametrize(
    ("spec", "ref"),
    [
        ("feature%2Fx", "feature/x"),
        ("issue%237147", "issue#7147"),
        ("%2", "%2"),
        ("%C3%BC", "ü"),
        ("%252F", "%2F"),
        ("%2520", "%20"),
        ("a+b", "a+b"),
        ("%FF", "%FF"),
    ],
)
def test_escapes_in_a_launch_links_ref_are_decoded_once(spec: str, ref: str):
    assert parse_repository(f"/v2/gh/o/r/{spec}").ref == ref


@pytest.mark.parametrize(
    ("spec", "url", "ref"),
    [
        ("https%3A%2F%2Fh.org%2Fa%2Fb%2Fc/dev", "https://h.org/a/b/c", "dev"),
        ("git%40h.org%3Ao%2Fr/dev", "ssh://git@h.org/o/r", "dev"),
        ("git%40h.org%3Ar/dev", "ssh://git@h.org/r", "dev"),
        ("git@h.org:o/r/dev", "ssh://git@h.org/o/r", "dev"),
        ("https://h.org/o/r/dev", "https://h.org/o/r", "dev"),
        ("https:/h.org/o/r/feature/x", "https://h.org/o/r", "feature/x"),
        ("https%3A/h.org/o/r/dev", "https://h.org/o/r", "dev"),
        ("https://h.org/a/b/c.git/dev", "https://h.org/a/b/c.git", "dev"),
        ("https%3A%2F%2Fgithub.com%2Fo%2Fr/HEAD", "https://github.com/o/r.git", ""),
    ],
)
def test_a_git_spec_is_read_with_and_without_escapes(spec: str, url: str, ref: str):
    found = parse_repository(f"/v2/git/{spec}")
    assert (found.url, found.ref) == (url, ref)


@pytest.mark.parametrize(
    ("spec", "repository", "ref"),
    [
        ("gh/o/r/feature/x", "o/r", "feature/x"),
        ("gh/o/r.git/v1/", "o/r", "v1"),
        ("gl/gitlab-org%2Fgitlab-foss/v10.0.6", "gitlab-org/gitlab-foss", "v10.0.6"),
        (f"gist/u/{GIST}", f"u/{GIST}", ""),
        (f"gist/u/{GIST}/", f"u/{GIST}", ""),
        (f"gist/u/{GIST}/HEAD", f"u/{GIST}", ""),
        (f"gist/u/{GIST}/master", f"u/{GIST}", ""),
        (f"gist/u/{GIST}/main", f"u/{GIST}", ""),
        (f"gist/u/{GIST}/{COMMIT}", f"u/{GIST}", COMMIT),
    ],
)
def test_each_kind_of_spec_is_read(spec: str, repository: str, ref: str):
    found = parse_repository(f"/v2/{spec}")
    assert (found.provider, found.repository, found.ref) == (
        spec.partition("/")[0], repository, ref,
    )  # fmt: skip


def test_the_field_beside_a_launch_link_wins_or_contradicts_it():
    found = parse_repository(LINK, path="b.ipynb")
    assert (found.ref, found.path, found.urlpath) == ("v1", "b.ipynb", "")
    assert parse_repository("git clone -b x https://github.com/o/r", "x").ref == "x"
    for text in (LINK, "git clone -b x https://github.com/o/r"):
        with pytest.raises(UserError, match="the field beside it says “dev”"):
            parse_repository(text, ref="dev")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://github.com/o/r", ("default branch", "over https, although the address says http")),
        ("https://github.com/o/r/pull/12", ("pull request 12",)),
        ("https://gitlab.com/o/r/-/merge_requests/3", ("merge request 3",)),
        ("o/r@0123456", ("branch, tag or commit 0123456",)),
        (f"https://gist.github.com/u/{GIST}", ("newest version",)),
        (f"{LINK}", ("branch or tag v1", "opens a.ipynb")),
        ("/v2/gh/o/r/HEAD?urlpath=rstudio", ("default branch", "opens rstudio")),
    ],
)
def test_what_was_understood_is_told(text: str, parts: tuple[str, ...]):
    assert describe(parse_repository(text))[2:] == parts


def test_pages_of_a_forge_that_look_like_launch_links_are_pages():
    found = parse_repository("https://github.com/o/r/tree/main/v2/gh/a/b/c")
    assert (found.repository, found.path) == ("o/r", "v2/gh/a/b/c")
    found = parse_repository("https://git.h.org/o/r/src/branch/main/v2/gh/a/b/c")
    assert (found.repository, found.path) == ("https://git.h.org/o/r", "v2/gh/a/b/c")


@pytest.mark.parametrize("word", ["tree", "src", "pull", "dataset.git", "v2"])
def test_a_repository_may_be_called_like_a_page(word: str):
    assert parse_repository(f"https://git.h.org/a/b/{word}").url == f"https://git.h.org/a/b/{word}"


@pytest.mark.parametrize(
    ("path", "decoded"),
    [
        ("plain.ipynb", []),
        ("a%20b.ipynb", ["a b.ipynb"]),
        ("a+b.ipynb", ["a b.ipynb"]),
        ("a+b%2Bc", ["a+b+c", "a b+c"]),
        ("%C3%BC", ["ü"]),
        ("%2", []),
        ("%2520", ["%20"]),
        ("%2e%2e/x", []),
        ("a%00", []),
        ("a%0Ab", []),
    ],
)
def test_a_path_may_also_mean_what_its_escapes_say(path: str, decoded: list[str]):
    assert path_spellings(path) == [path, *decoded]
