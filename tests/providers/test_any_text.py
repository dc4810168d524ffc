"""Whatever is typed: a repository that is safe to hand to git, or a sentence. Nothing else."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from sessions.errors import UserError
from sessions.providers import describe, launch_link, parse_launch_link, parse_repository
from sessions.providers.address import egress_rules
from tests.providers.test_pasted import ARCHIVES, UNDERSTOOD

PIECES = [
    "https://", "http://", "ssh://", "ext::", "file://", "git@", "github.com", "gitlab.com",
    "example.org", "127.0.0.1", "[::1]", "[", "]", ":", ":22", "/", "//", "@", "-", "--", "-o",
    "=", "..", ".", ".git", "/-/", "tree", "blob", "main", "ada", "flowers", "%00", "%2e", "%0a",
    "%2f", "%", "?", "#", "$(x)", "`", ";", " ", "\n", "\0", "\\", "\u202e", "\u200b", "\ud800",
    "①", "／", "。", "ä", "git clone ", "10.5281/", "doi:", "<", ">", '"',
    "v2/", "gh/", "gl/", "git/", "gist/", "swh:1:dir:", "](", ":target: ", "href=", "?urlpath=",
    "?labpath=", "%252F", "%2", "HEAD", "-b ", "git+https://", "nbviewer.org/",
    "github/", "urls/", "src/branch/", "pull/12", "&&", "dataset/", "codeberg.org", "http:/",
]  # fmt: skip
SEEDS = [*UNDERSTOOD, *ARCHIVES]


@st.composite
def nearly_seeds(draw):
    """Return a text that people paste with a part of it replaced by anything."""
    seed = draw(st.sampled_from(SEEDS))
    begin, end = sorted(draw(st.tuples(*[st.integers(0, len(seed))] * 2)))
    piece = draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=4), st.sampled_from(SEEDS)))
    return seed[:begin] + piece + seed[end:]


texts = st.one_of(
    nearly_seeds(),
    st.text(),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=10).map("".join),
)
providers = st.sampled_from(["", "git", "gh", "gl", "gist", "doi", "x"])


@given(text=texts, ref=st.just("") | texts, path=st.just("") | texts, provider=providers)
def test_any_text_gives_a_safe_repository_or_a_user_error(text, ref, path, provider):
    try:
        found = parse_repository(text, ref, path, provider)
    except UserError:
        return
    for handed_on in (found.url, found.ref, found.path, found.repository, *describe(found),
                      found.urlpath):  # fmt: skip
        assert not handed_on.startswith("-")
        assert not any(unicodedata.category(each)[0] == "C" for each in handed_on)
    assert not any(".." in path.split("/") for _, path in found.candidates())
    address = urlsplit(found.url)
    assert found.url.isascii()
    host = address.hostname or "-"
    assert address.scheme in {"https", "ssh"} or egress_rules().trusts(host, address.port)
    assert address.password is None
    assert not host.startswith("-")
    assert not (address.username or "").startswith("-")
    if not found.ambiguous_tail:
        plain = replace(found, urlpath="")
        assert parse_repository(found.repository, found.ref, found.path, found.provider) == plain
        link = launch_link(found)
        assert link.isascii()
        assert link.startswith("/v2/")
        if not provider and len(link) <= 2000:
            assert parse_repository(link) == found


@given(text=texts, ref=st.just("") | texts, path=st.just("") | texts)
def test_any_content_gives_a_safe_repository_and_folder_or_a_user_error(text, ref, path):
    try:
        found = parse_repository("o/env", "", path, content=f"{text}@{ref}" if ref else text)
    except UserError:
        return
    source = found.content_source
    if source is None:
        assert not f"{text}{ref}".strip()
        return
    assert (found.repository, found.ref, found.path) == ("o/env", "", source.path)
    for handed_on in (source.url, source.ref, source.path, *describe(found)):
        assert not handed_on.startswith("-")
        assert not any(unicodedata.category(each)[0] == "C" for each in handed_on)
    address = urlsplit(source.url)
    host = address.hostname or ""
    assert address.scheme in {"https", "ssh"} or egress_rules().trusts(host, address.port)
    assert address.password is None
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", source.folder)
    link = launch_link(found)
    if not source.ambiguous_tail and not found.urlpath and len(link) <= 2000:
        assert parse_launch_link(link) == found
