"""Resolve a ref to a commit, and check that a commit belongs to the repository.

`sessions.providers` parse what was typed. This module asks the repository's server through
`process`, and picks the commit. Whether a commit typed in full exists shows when it is fetched
(`read_file`).

The large forges keep a repository and all its forks in one store, and serve any commit of a fork
under the repository's name. So a commit asked for by its id counts only if a branch or tag of the
repository leads to it: the server is asked for their history, without any files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from keys.keypairs import SshIdentity
from sessions.errors import BinderyError, UserError
from sessions.providers import Repository
from sessions.providers.repository import clean_ref

from .errors import failure, refuses_fetch
from .process import FETCH_SETTINGS, Git, Outcome, run_with_git

MAX_COMPARED_BRANCHES = 2000
MAX_NAMED_BRANCHES = 5
MAX_BRANCH_LENGTH = 80

_FULL_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,63}", re.IGNORECASE)
_ADVERTISED_REF = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t(.+)")
_DEFAULT_BRANCH = re.compile(r"^ref: refs/heads/(.+)\tHEAD$", re.MULTILINE)


@dataclass(frozen=True)
class ResolvedRef:
    """A repository's commit (40 or 64 hex digits), and the path to open in it.

    ``ref`` is the name that the commit was found under: a branch or tag without ``refs/…`` but with
    all its slashes, or the commit itself if that was asked for.
    """

    commit: str
    ref: str
    path: str


def resolve(repository: Repository, identity: SshIdentity | None = None) -> ResolvedRef:
    """Return the commit that the repository's ref points to now.

    ``identity`` is the person whose key opens the repository. This blocks for at most
    `process.DEADLINE_SECONDS`.

    Raises UserError if the repository or ref is not there for us, TemporaryError if the server is
    not there.
    """
    candidates = repository.candidates()
    ref, path = candidates[-1]
    if _FULL_COMMIT.fullmatch(ref):
        return ResolvedRef(ref.lower(), ref.lower(), path)
    if not ref:
        return _default(repository, identity)
    refs = _advertised(_ask(repository, identity, "--heads", "--tags"))
    if not refs:
        raise _no_commits(repository)
    for candidate, opens in candidates:
        if found := _find(candidate, refs):
            return ResolvedRef(*found, opens)
    raise _no_such_ref(repository, ref, refs)


def _default(repository: Repository, identity: SshIdentity | None) -> ResolvedRef:
    """Return the last commit of the default branch, which the server's HEAD points to."""
    advertisement = _ask(repository, identity, "--symref", pattern="HEAD")
    commit = _advertised(advertisement).get("HEAD")
    if commit is None:
        raise _no_commits(repository)
    branch = _DEFAULT_BRANCH.search(advertisement)
    return ResolvedRef(commit, _valid_branch(branch[1]) if branch else "", repository.path)


def _valid_branch(branch: str) -> str:
    """Return the server's own name for a branch, or "" if it would not pass as a typed one."""
    try:
        return clean_ref(branch)
    except UserError:
        return ""


def _ask(
    repository: Repository, identity: SshIdentity | None, *options: str, pattern: str = ""
) -> str:
    """Return the output of ``git ls-remote``. Raises UserError or TemporaryError."""
    operands = [repository.url, *filter(None, [pattern])]
    outcome = run_with_git(
        lambda git: git.run(["ls-remote", *options], operands), repository.url, identity=identity
    )
    if not outcome.succeeded:
        raise failure(outcome, repository.url, identity=identity)
    return outcome.output.decode("utf-8", "replace")


def _advertised(advertisement: str) -> dict[str, str]:
    """Return commits by full ref name; for an annotated tag, the commit that it tags."""
    refs = {}
    for line in advertisement.split("\n"):  # a name may contain other ends of lines
        if found := _ADVERTISED_REF.fullmatch(line):
            refs[found[2].removesuffix("^{}")] = found[1]  # the peeled line comes last
    return refs


def _find(ref: str, refs: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the commit under a typed ref and its name there; a branch wins over a tag."""
    short = re.sub("^refs/(?:heads|tags)/", "", ref)
    for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
        if name in refs:
            return refs[name], short
    if not _SHORT_COMMIT.fullmatch(ref):
        return None
    commits = {commit for commit in refs.values() if commit.startswith(ref.lower())}
    return (commit := commits.pop(), commit) if len(commits) == 1 else None


def _no_commits(repository: Repository) -> UserError:
    return UserError(
        "launch.repository-has-no-commits",
        _(
            "%(repository)s has no commits on its default branch yet. Push one, or enter another "
            "branch."
        )
        % {"repository": repository.repository},
    )


def _no_such_ref(repository: Repository, ref: str, refs: Iterable[str]) -> UserError:
    branches = _nearest(ref, refs)
    sentence = _("There is no branch, tag or commit “%(ref)s” in %(repository)s.")
    values = {"ref": ref, "repository": repository.repository, "branches": ", ".join(branches)}
    if _SHORT_COMMIT.fullmatch(ref):
        sentence += " " + _("If it is a commit, enter all 40 characters.")
    if branches:
        sentence += " " + _("Its branches include %(branches)s.")
    return UserError("launch.ref-not-found", sentence % values, branches=branches)


def _nearest(ref: str, refs: Iterable[str]) -> list[str]:
    """Return a few of the existing branches, those most like ``ref`` first."""
    names = [name.removeprefix("refs/heads/") for name in refs if name.startswith("refs/heads/")]
    candidates = [name for name in names[:MAX_COMPARED_BRANCHES] if len(name) <= MAX_BRANCH_LENGTH]
    fit = [name for name in candidates if _valid_branch(name)]
    near = difflib.get_close_matches(ref, fit, MAX_NAMED_BRANCHES, cutoff=0.3)
    return (near + [name for name in fit if name not in near])[:MAX_NAMED_BRANCHES]


DEADLINE_SECONDS = (
    20  # reading the commit may take 30 afterwards, and the worker kills a task at 55
)

_FOLDER = "history.git"
_DIRECTORY = f"--git-dir={_FOLDER}"
_ADVERTISED = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t.+")
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def require_reachable(
    url: str, commit: str, identity: SshIdentity | None = None, seconds: float = DEADLINE_SECONDS
) -> None:
    """Raise UserError unless a branch or tag of the repository leads to the commit.

    ``commit`` is 40 or 64 lower-case hex digits. This blocks for at most ``seconds``. If the
    history takes longer than that, or is larger than a repository may be, the commit does not pass.

    Raises TemporaryError if the server is not there.
    """

    async def find(git: Git) -> bool:
        advertised = await git.run(["ls-remote", "--heads", "--tags"], [url])
        if not advertised.succeeded:
            raise failure(advertised, url, identity=identity)
        lines = advertised.output.decode("utf-8", "replace").split("\n")
        tips = {found[1] for found in map(_ADVERTISED.fullmatch, lines) if found}
        return commit in tips or (bool(tips) and await _history_contains(git, commit))

    limit = settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6
    if not run_with_git(find, url, seconds, limit, identity):
        raise UserError(
            "launch.commit-elsewhere",
            _(
                "No branch or tag of %(url)s contains the commit “%(commit)s”. It may belong to "
                "someone's fork of the repository, and this portal restricts what may be "
                "launched. Enter a branch or tag, or a commit on one."
            )
            % {"url": url, "commit": commit},
        )


async def _history_contains(git: Git, commit: str) -> bool:
    """Return whether the history of all branches and tags contains the commit.

    Only the fetch knows the server's address. So a missing object is not fetched on its own later,
    as git would do with one that a filter left out.
    """
    hashes = "sha1" if len(commit) == 40 else "sha256"
    await git.run(
        ["init", "--quiet", "--bare", "--template=", f"--object-format={hashes}"], [_FOLDER]
    )
    await _fetch(git, commit)
    left = ["rev-list", "--max-count=1", commit, "--not", "--branches", "--tags"]
    outcome = await git.run([_DIRECTORY, *left], [])
    if outcome.timed_out:
        raise _failure(outcome, git, commit)
    return outcome.succeeded and not outcome.output


async def _fetch(git: Git, commit: str) -> None:
    """Fetch the history; with the files only if the server cannot leave them out."""
    settings = (
        word for each in (*FETCH_SETTINGS, f"remote.origin.url={git.url}") for word in ("-c", each)
    )
    words = [*settings, _DIRECTORY, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
    outcome = await git.run([*words, "--filter=tree:0"], ["origin", *_REFS])
    if not outcome.succeeded and refuses_fetch(outcome):
        outcome = await git.run(words, ["origin", *_REFS])
    if not outcome.succeeded:
        raise _failure(outcome, git, commit)


def _failure(outcome: Outcome, git: Git, commit: str) -> BinderyError:
    """Return why the history is not available.

    If time or room did not suffice, the commit does not pass.
    """
    error = failure(outcome, git.url, commit, git.identity)
    if not outcome.timed_out and error.code != "launch.repository-too-large":
        return error
    return UserError(
        "launch.commit-unproven",
        _(
            "The portal could not verify in time that the commit “%(commit)s” belongs to %(url)s, "
            "and it restricts what may be launched. Enter a branch or tag instead."
        )
        % {"url": git.url, "commit": commit},
    )
