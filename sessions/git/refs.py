"""Match a typed ref against the refs that a server has, or offer the nearest. Pure functions.

People copy refs from ``git branch --all``, from addresses and from the pages of pull requests, and
remember them with other capitals. `resolve` asks the server.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from sessions.errors import UserError
from sessions.providers.repository import clean_ref

MAX_OFFERED = 5
MAX_COMPARED = 2000
MAX_OFFERED_LENGTH = 80

FULL_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
SHORT_COMMIT = re.compile(r"[0-9a-f]{7,63}", re.IGNORECASE)
_BRANCH_OR_TAG = re.compile(r"refs/(?:heads|tags)/")
_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_OF_A_REMOTE = re.compile(r"(?:refs/)?(?:remotes/)?(?:origin|upstream)/")
_REQUEST = re.compile(r"(?:pull|merge-requests)/[0-9]+")
_NOT_DECODED = "\N{REPLACEMENT CHARACTER}"


def full_names(ref: str) -> list[str]:
    """Return the full names of the refs that a typed one may mean, the likeliest first.

    A branch wins over a tag, and the name as it was typed over a part of it.
    """
    spellings = dict.fromkeys([ref, *_unquoted(ref)])
    names = [name for each in spellings for name in _as_typed(each)]
    names += [name for each in spellings for name in _as_shown(each)]
    return list(dict.fromkeys(names))


def _unquoted(ref: str) -> list[str]:
    """Return the ref without %-escapes, if it is still one."""
    try:
        return [clean_ref(unquote(ref, errors="strict"))]
    except (UserError, UnicodeDecodeError):
        return []


def _as_typed(ref: str) -> list[str]:
    full = [ref] if ref.startswith("refs/") else []
    return [f"refs/heads/{ref}", f"refs/tags/{ref}", *full]


def _as_shown(ref: str) -> list[str]:
    """Return the refs that git and forges show in this way."""
    of_a_remote = _OF_A_REMOTE.match(ref)
    names = [f"refs/heads/{ref[of_a_remote.end() :]}"] if of_a_remote else []
    if "/" in ref and not ref.startswith("refs/"):
        names.append(f"refs/{ref}")  # such as heads/main, tags/v1 and pull/12/head
    if _REQUEST.fullmatch(ref.removeprefix("refs/")):
        names.append(f"refs/{ref.removeprefix('refs/')}/head")
    return names


def is_branch_or_tag(full_name: str) -> bool:
    """Return whether it is one, and not a ref that may lead to somebody else's commits."""
    return _BRANCH_OR_TAG.match(full_name) is not None


def short_name(full_name: str) -> str:
    """Return the name to show and to keep; only branches and tags lose their ``refs/…/``."""
    return _BRANCH_OR_TAG.sub("", full_name)


def find(ref: str, refs: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the commit that a typed ref means and its name there, or None.

    An abbreviated commit counts if just one of the refs' commits begins like that. A tag keeps its
    full name if there is a branch of the same name, which would be found instead of it later.
    """
    for name in full_names(ref):
        if name in refs:
            short = short_name(name)
            hidden = name.startswith(_TAGS) and f"{_HEADS}{short}" in refs
            return refs[name], name if hidden else short
    if not SHORT_COMMIT.fullmatch(ref):
        return None
    commits = {commit for commit in refs.values() if commit.startswith(ref.lower())}
    return (commit := commits.pop(), commit) if len(commits) == 1 else None


def is_tag_too(branch: str, refs: Mapping[str, str]) -> bool:
    """Return whether there is a tag of a branch's name, at another commit."""
    of_branch, of_tag = refs.get(f"{_HEADS}{branch}"), refs.get(f"{_TAGS}{branch}")
    return of_branch is not None and of_tag is not None and of_branch != of_tag


def nearest(ref: str, refs: Iterable[str], kind: str) -> list[str]:
    """Return a few of the existing refs of a kind, those most like ``ref`` first.

    ``kind`` is ``heads`` or ``tags``.
    """
    start = f"refs/{kind}/"
    names = [name.removeprefix(start) for name in refs if name.startswith(start)]
    fit = [name for name in names if len(name) <= MAX_OFFERED_LENGTH and _is_typeable(name)]
    asked = _folded(next(iter(_unquoted(ref)), ref))
    same = [name for name in fit if _folded(name) == asked]
    parts = [name for name in fit if asked and asked in _folded(name)]
    some = list(dict.fromkeys([*same, *parts, *fit]))[:MAX_COMPARED]
    folded = {_folded(name): name for name in reversed(some)}
    close = difflib.get_close_matches(asked, folded, MAX_OFFERED, cutoff=0.3)
    near = [folded[each] for each in close]
    return list(dict.fromkeys([*same, *near, *some]))[:MAX_OFFERED]


def _folded(name: str) -> str:
    return re.sub(r"[-_. ]", "-", name.casefold())


def _is_typeable(name: str) -> bool:
    """Return whether the server's own name for a ref would pass as a typed one."""
    try:
        return _NOT_DECODED not in name and clean_ref(name) != ""
    except UserError:
        return False
