"""Addresses that people paste, and how they are understood."""

from __future__ import annotations

import pytest

from sessions.errors import UserError
from sessions.providers import Repository, describe, parse_repository

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FLOWERS = "https://github.com/ada/flowers.git"
FLOWERS_BY_SSH = "ssh://git@github.com/ada/flowers.git"


@pytest.fixture(autouse=True)
def trusted(settings):
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["git.intranet", "127.0.0.1:5000"]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ada/flowers", FLOWERS),
        ("ada/flowers.git", FLOWERS),
        ("ada/flowers/", FLOWERS),
        ("github.com/ada/flowers", FLOWERS),
        ("GitHub.com/ada/flowers", FLOWERS),
        ("https://github.com/ada/flowers", FLOWERS),
        ("HTTPS://www.github.com/ada/flowers.git/", FLOWERS),
        ("https://github.com/ada/flowers?tab=readme-ov-file#start", FLOWERS),
        ("git@github.com:ada/flowers.git", FLOWERS_BY_SSH),
        ("ssh://git@github.com/ada/flowers", "ssh://git@github.com/ada/flowers"),
        ("git@gitlab.com:group/sub/flowers.git", "ssh://git@gitlab.com/group/sub/flowers.git"),
        ("https://github.com:443/ada/flowers", FLOWERS),
        ("  <https://github.com/ada/flowers>\n", FLOWERS),
        ('"ada/flowers"', FLOWERS),
        ("„ada/flowers“", FLOWERS),
        ("\ufeffada/flowers\u200b", FLOWERS),
        ("git clone https://github.com/ada/flowers.git", FLOWERS),
        ("$ git clone git@github.com:ada/flowers.git my-copy", FLOWERS_BY_SSH),
        ("https://gitlab.com/ada/flowers", "https://gitlab.com/ada/flowers.git"),
        ("gitlab.com/group/sub/flowers.git", "https://gitlab.com/group/sub/flowers.git"),
        ("https://git.example.org/~ada/a%20b", "https://git.example.org/~ada/a%20b"),
        ("https://git.example.org//a//b/", "https://git.example.org/a/b"),
        ("https://Git.Example.ORG.:8443/a.git", "https://git.example.org:8443/a.git"),
        ("https://[2606:4700::1111]/a", "https://[2606:4700::1111]/a"),
        ("codeberg.org/ada/flowers", "https://codeberg.org/ada/flowers"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("ssh://git.example.org:2222/a/b", "ssh://git@git.example.org:2222/a/b"),
        ("ada@git.example.org:a/b.git", "ssh://ada@git.example.org/a/b.git"),
        ("git.example.org:a/b.git", "ssh://git@git.example.org/a/b.git"),
        ("https://gist.github.com/ada/0a1b2c", "https://gist.github.com/ada/0a1b2c.git"),
        ("http://git.intranet/a", "http://git.intranet/a"),
        ("http://127.0.0.1:5000/a.git", "http://127.0.0.1:5000/a.git"),
        ("http://0x7f.1:5000/a.git", "http://127.0.0.1:5000/a.git"),
    ],
)
def test_common_forms_of_repository_addresses_are_parsed(text: str, url: str):
    assert parse_repository(text).url == url


@pytest.mark.parametrize(
    ("page", "ref", "path", "tail"),
    [
        ("/tree/main", "main", "", ""),
        ("/tree/main/", "main", "", ""),
        ("/commit/" + COMMIT, COMMIT, "", ""),
        ("/commits/feature/blue", "feature", "blue", "feature/blue"),
        ("/releases/tag/v1.0", "v1.0", "", ""),
        ("/tree/main/notebooks", "main", "notebooks", "main/notebooks"),
        ("/blob/main/a.ipynb?plain=1#L3", "main", "a.ipynb", "main/a.ipynb"),
        ("/blob/main/My%20%28new%29.ipynb", "main", "My (new).ipynb", "main/My (new).ipynb"),
        ("/blob/fix/it/a.ipynb", "fix", "it/a.ipynb", "fix/it/a.ipynb"),
    ],
)
def test_branch_and_file_are_taken_from_a_page_url(page, ref, path, tail):
    assert parse_repository(f"https://github.com/ada/flowers{page}") == Repository(
        "gh", "ada/flowers", FLOWERS, ref, path, tail
    )


def test_a_gitlab_page_url_is_split_at_the_dash():
    found = parse_repository("https://gitlab.com/group/sub/flowers/-/tree/main/x.ipynb")
    assert found.repository == "group/sub/flowers"
    assert found.candidates() == [("main/x.ipynb", ""), ("main", "x.ipynb")]


def test_a_typed_ref_decides_where_the_path_begins():
    page = "https://github.com/ada/flowers/tree/feature/blue/a.ipynb"
    found = parse_repository(page, ref="feature/blue")
    assert (found.ref, found.path, found.ambiguous_tail) == ("feature/blue", "a.ipynb", "")


def test_a_typed_path_wins_over_the_one_in_the_url():
    found = parse_repository("https://github.com/ada/flowers/tree/feature/blue", path="b.ipynb")
    assert found.candidates() == [("feature/blue", "b.ipynb"), ("feature", "b.ipynb")]


def test_the_chosen_provider_expands_the_short_form():
    assert (
        parse_repository("ada/flowers", provider="gl").url == "https://gitlab.com/ada/flowers.git"
    )
    assert parse_repository("my.group/a/b", provider="gl").repository == "my.group/a/b"
    assert parse_repository("https://github.com/ada/flowers", provider="git").provider == "git"


def test_parsing_a_parsed_repository_gives_the_same_result():
    for text in ("ada/flowers", "gitlab.com/a/b/c", "git@git.example.org:a/b"):
        found = parse_repository(text, "main", "a.ipynb")
        assert parse_repository(found.repository, found.ref, found.path, found.provider) == found


def test_the_ref_head_means_the_default_branch():
    assert parse_repository("ada/flowers", ref=" HEAD ").ref == ""


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("ada/flowers",), ("GitHub", "ada/flowers", "default branch")),
        (
            ("gitlab.com/a/b", "main", "./x/y.ipynb"),
            ("GitLab", "a/b", "branch or tag main", "opens x/y.ipynb"),
        ),
        (("https://h.org/a", COMMIT), ("Git", "https://h.org/a", "commit 0123456789")),
    ],
)
def test_a_parsed_repository_is_described_in_a_few_words(arguments, parts):
    assert describe(parse_repository(*arguments)) == parts


REPOSITORY = "launch.repository-not-understood"
PROTOCOL = "launch.protocol-not-allowed"
PRIVATE = "launch.address-private"
PASSWORD = "launch.repository-has-password"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "launch.repository-empty"),
        (" \n ", "launch.repository-empty"),
        ("<>", "launch.repository-empty"),
        ("a" * 10_000, "launch.repository-too-long"),
        ("https://h.org/" + "ä" * 1000, "launch.repository-too-long"),
        ("flowers", REPOSITORY),
        ("a/b/c", REPOSITORY),
        ("ada flowers", REPOSITORY),
        ("ada/flowers and more", REPOSITORY),
        ("ada/flo\0wers", REPOSITORY),
        ("ada/flo\nwers", REPOSITORY),
        ("https://h.org/a\r\nb", REPOSITORY),
        ("ada/\u202eflowers", REPOSITORY),
        ("a\u200bda/flowers", REPOSITORY),
        ("ada／flowers", REPOSITORY),
        ("--upload-pack=x", REPOSITORY),
        ("--upload-pack=touch /x a/b", REPOSITORY),
        ("git clone --upload-pack=x https://h.org/a", REPOSITORY),
        ("-oProxyCommand=x", REPOSITORY),
        ("-oProxyCommand=x/y", REPOSITORY),
        ("-oProxyCommand=x@h.org:a", REPOSITORY),
        ("git@-oProxyCommand=x:a", REPOSITORY),
        ("git@h.org:-oProxyCommand=x", REPOSITORY),
        ("ssh://-oProxyCommand=x/a", REPOSITORY),
        ("ssh://-oProxyCommand=x@h.org/a", REPOSITORY),
        ("ssh://git@h.org:22,-x/a", REPOSITORY),
        ("/etc/passwd", REPOSITORY),
        ("/etc", REPOSITORY),
        ("./here", REPOSITORY),
        ("../up", REPOSITORY),
        ("~/notes", REPOSITORY),
        ("C:\\work", REPOSITORY),
        ("C:/notes", REPOSITORY),
        ("\\\\server\\share", REPOSITORY),
        ("$(x)/y", REPOSITORY),
        ("`x`/y", REPOSITORY),
        ("ada/flowers;x", REPOSITORY),
        ("ada/..", REPOSITORY),
        ("ada/.git", REPOSITORY),
        ("https://h.org", REPOSITORY),
        ("https://h.org/", REPOSITORY),
        ("https:///a", REPOSITORY),
        ("https://", REPOSITORY),
        ("https://h..org/a", REPOSITORY),
        ("https://[::1/a", REPOSITORY),
        ("https://[fe80::1%25eth0]/a", REPOSITORY),
        ("https://h.org:0/a", REPOSITORY),
        ("https://h.org:70000/a", REPOSITORY),
        ("https://h.org/a?service=x", REPOSITORY),
        ("https://h.org/a/../b", REPOSITORY),
        ("https://h.org/a/%2e%2e/b", REPOSITORY),
        ("https://h.org/a%2fb", REPOSITORY),
        ("https://h.org/a%00b", REPOSITORY),
        ("https://h.org/a%0Ab", REPOSITORY),
        ("https://h.org/a%ff", REPOSITORY),
        ("https://h.org/$(x)", REPOSITORY),
        ("https://h.org/`x`", REPOSITORY),
        ("https://h.org/a|b", REPOSITORY),
        ("https://github.com/ada", REPOSITORY),
        ("https://github.com/ada/flowers/issues", REPOSITORY),
        ("https://github.com/ada/flowers/tree", REPOSITORY),
        ("https://github.com/ada/flowers/tree/-x", "launch.ref-not-understood"),
        ("https://github.com/ada/flowers/tree/a..b", "launch.ref-not-understood"),
        ("https://github.com/ada/flowers/blob/main/-x", "launch.path-not-understood"),
        ("ext::sh -c touch% /tmp/x", PROTOCOL),
        ("fd::3", PROTOCOL),
        ("file:///etc/passwd", PROTOCOL),
        ("FILE:///etc/passwd", PROTOCOL),
        ("git://h.org/a", PROTOCOL),
        ("git+ssh://h.org/a", PROTOCOL),
        ("ftp://h.org/a", PROTOCOL),
        ("javascript://h.org/a", PROTOCOL),
        ("http://h.org/a", PROTOCOL),
        ("http://github.com:8080/ada/flowers", PROTOCOL),
        ("http://github.com.h.org/ada/flowers", PROTOCOL),
        ("https://ada:secret@h.org/a", PASSWORD),
        ("https://token@h.org/a", PASSWORD),
        ("https://@h.org/a", PASSWORD),
        ("https://github.com@h.org/a", PASSWORD),
        ("ssh://ada:secret@h.org/a", PASSWORD),
        ("https://127.0.0.1/a", PRIVATE),
        ("http://127.0.0.1:5001/a", PRIVATE),
        ("https://0177.0.0.1/a", PRIVATE),
        ("https://2130706433/a", PRIVATE),
        ("https://0x7f.1/a", PRIVATE),
        ("https://①②⑦.1/a", PRIVATE),
        ("https://169.254.169.254/latest/meta-data", PRIVATE),
        ("https://10.0.0.1/a", PRIVATE),
        ("10.0.0.1/a", PRIVATE),
        ("git@10.0.0.1:a", PRIVATE),
        ("ssh://git@[::1]/a", PRIVATE),
        ("https://[::ffff:169.254.169.254]/a", PRIVATE),
        ("https://[fd00:ec2::254]/a", PRIVATE),
        ("https://localhost/a", PRIVATE),
        ("http://LOCALHOST.:8000/a", PRIVATE),
        ("https://portal.localhost/a", PRIVATE),
        ("swh:1:cnt:" + COMMIT, REPOSITORY),
    ],
)
def test_an_invalid_repository_is_refused_with_a_message(text: str, code: str):
    with pytest.raises(UserError) as refused:
        parse_repository(text)
    assert refused.value.code == code
    assert len(refused.value.message) > 30
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "ref",
    ["-x", "--upload-pack=x", "a..b", "a b", "a\tb", "a\nb", "a\0b", "a~1", "a^", "a:b", "a?", "a*",
     "a[b", "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a@{1}", "@",
     "a\u202eb", "\ud800", "a" * 256],
)  # fmt: skip
def test_an_invalid_ref_is_refused(ref: str):
    with pytest.raises(UserError) as refused:
        parse_repository("ada/flowers", ref=ref)
    assert refused.value.code == "launch.ref-not-understood"


@pytest.mark.parametrize(
    "path",
    ["/../x", "../x", "a/../b", "a/..", "..", ".", "a/./b", "a//b", "a\\b", "-x", "a\0b",
     "a\nb", "a\u202eb", "a" * 1001],
)  # fmt: skip
def test_a_path_that_leads_out_of_the_repository_is_refused(path: str):
    with pytest.raises(UserError) as refused:
        parse_repository("ada/flowers", path=path)
    assert refused.value.code == "launch.path-not-understood"


def test_a_typed_ref_that_contradicts_the_url_is_refused():
    with pytest.raises(UserError, match="“main”, but the field beside it says “dev”") as refused:
        parse_repository("https://github.com/ada/flowers/tree/main/a.ipynb", ref="dev")
    assert refused.value.code == "launch.ref-not-understood"


def test_a_url_of_another_host_is_refused_for_the_chosen_provider():
    with pytest.raises(UserError, match=r"git\.example\.org is not GitHub"):
        parse_repository("https://git.example.org/ada/flowers", provider="gh")
    with pytest.raises(UserError) as refused:
        parse_repository("ada/flowers", provider="svn")
    assert refused.value.code == "launch.provider-unknown"
