"""Pages of repositories on the sites that host them: whose page it is, and which ref and file.

The addresses of pages have no mark where a repository's name ends. Words such as ``tree`` tell,
where the site does not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .address import Address

FILES = frozenset({"tree", "blob", "blame", "edit", "raw", "src", "media", "commits"})
"""Pages that show files at a ref, or their history; the ref and path follow."""
ONE_REF = frozenset({"tags", "branch", "archive"})
_KINDS_OF_REF = frozenset({"branch", "tag", "commit"})
"""Follow ``src`` and others on Gitea and Forgejo, before the ref."""
REQUESTS = {"pull": "pull", "pulls": "pull", "merge_requests": "merge-requests"}
_FULL_REF = (["refs", "heads"], ["refs", "tags"])
_PAGES = FILES | ONE_REF | {"commit", "releases", *REQUESTS, "pull-requests"}
_ARCHIVE = re.compile(r"\.(?:zip|tar|tar\.gz|tar\.bz2|tgz|bundle)$")
_TWO_NAMES = frozenset(
    {"bitbucket.org", "codeberg.org", "gitea.com", "git.sr.ht", "huggingface.co"}
)
"""Sites whose repositories have two names: whatever follows these is a page."""
_ABOVE_NAMES = frozenset({"datasets", "spaces"})


def names_and_page(address: Address) -> tuple[Sequence[str], Sequence[str]]:
    """Return the segments that name the repository, and those of a page below it."""
    words = address.segments
    if address.host not in _TWO_NAMES or words[-1].endswith(".git"):
        return split_page(words, may_be_name=True)
    length = 3 if address.host == "huggingface.co" and words[0] in _ABOVE_NAMES else 2
    names, page = words[:length], words[length:]
    if page[:1] == ("resolve",):  # a file's address at Hugging Face
        page = ("raw", *page[1:])
    return names, (*page[:2], *page[3:]) if page[2:3] == ("item",) else page  # at SourceHut


def split_page(
    segments: Sequence[str], *, may_be_name: bool = False
) -> tuple[Sequence[str], Sequence[str]]:
    """Return the segments that name the repository, and those of a page below it.

    With ``may_be_name``, the word for a page counts only if what follows makes it one.
    """
    for place, word in enumerate(segments[2:], 2):
        if word == "-":
            return segments[:place], segments[place + 1 :]
        if word in _PAGES and not (may_be_name and not _is_page(word, segments[place + 1 :])):
            return segments[:place], segments[place:]
    return segments, []


def _is_page(word: str, rest: Sequence[str]) -> bool:
    """Return whether a word that may also be a name is a page, by what follows it."""
    if word in REQUESTS:
        return bool(rest) and rest[0].isdigit()
    if word in {
        "src",
        "media",
        "archive",
        "commits",
        "branch",
        "releases",
        "tags",
        "pull-requests",
    }:
        return len(rest) > 1 and rest[0] in {*_KINDS_OF_REF, "tag", "refs"}
    return bool(rest)


def plain_page(page: Sequence[str]) -> tuple[str, list[str]]:
    """Return the kind of a page and what follows, without what each forge adds to a ref."""
    kind, rest = page[0], list(page[1:])
    if kind == "releases" and rest[:1] == ["tag"]:
        kind, rest = "tags", rest[1:]
    elif kind in FILES | ONE_REF and len(rest) > 1 and rest[0] in _KINDS_OF_REF:
        kind, rest = ("commit" if rest[0] == "commit" else kind), rest[1:]
    if rest[:2] in _FULL_REF and len(rest) > 2:
        rest = rest[2:]
    return kind, rest


def packed_ref(name: str, rest: Sequence[str]) -> str:
    """Return the ref of a repository's packed file; GitLab repeats it in the file's name."""
    *above, file = rest
    is_repeated = above and file.startswith("-".join([name, *above]))
    return "/".join(above if is_repeated else [*above, _ARCHIVE.sub("", file)])
