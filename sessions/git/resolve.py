"""Find the commit that a typed ref means, and whether a commit belongs to the repository.

`sessions.providers` parse what was typed. This module asks the repository's server through
`process`, and picks the commit; `refs` knows the spellings of a ref. Whether a commit typed in full
exists shows when it is fetched (`read_file`).

The large forges keep a repository and all its forks in one store, and serve any commit of a fork
under the repository's name. So a commit asked for by its id counts only if a branch or tag of the
repository leads to it: the server is asked for their history, without any files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from keys.keypairs import SshIdentity
from sessions.errors import BinderyError, UserError
from sessions.providers import Repository
from sessions.providers.repository import clean_ref

from . import refs
from .errors import failure, refuses_fetch
from .process import FETCH_SETTINGS, Git, Outcome, run_with_git

FULL_COMMIT_SECONDS = 5.0
"""How long a server is asked whether it has a ref that looks like a commit."""
MAX_HISTORY_BYTES = 200_000_000
"""Bytes of history, without files, in which an abbreviated commit is looked for."""

_LISTED = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t(.+)")
_DEFAULT_BRANCH = re.compile(r"^ref: refs/heads/(.+)\tHEAD$", re.MULTILINE)


@dataclass(frozen=True)
class ResolvedRef:
    """A repository's commit (40 or 64 hex digits), and the path to open in it.

    ``ref`` is the name that the commit was found under: a branch or tag without ``refs/…`` but with
    all its slashes, another ref with ``refs/``, or the commit itself if that was asked for.
    ``notice`` is a sentence for people about a choice between two; "" if there was none.

    What an archive keeps has a version instead of a commit, and no ref (`archive`). ``provider``
    and ``url`` are then the archive's and those of the version's page; "" as the repository has
    them.
    """

    commit: str
    ref: str
    path: str
    notice: str = field(default="", compare=False)
    provider: str = ""
    url: str = ""


def resolve(repository: Repository, identity: SshIdentity | None = None) -> ResolvedRef:
    """Return the commit that the repository's ref points to now.

    ``identity`` is the person whose key opens the repository. This blocks for at most
    `process.DEADLINE_SECONDS`.

    Raises UserError if the repository or ref is not there for us, TemporaryError if the server is
    not there.
    """
    ref, path = repository.candidates()[-1]
    is_full = refs.FULL_COMMIT.fullmatch(ref) is not None

    async def find(git: Git) -> ResolvedRef:
        search = _Search(git, repository)
        if is_full:
            return await search.ref_like_commit() or ResolvedRef(ref.lower(), ref.lower(), path)
        return await (search.ref() if ref else search.default())

    return run_with_git(
        find,
        repository.url,
        FULL_COMMIT_SECONDS if is_full else None,
        min(settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6, MAX_HISTORY_BYTES),
        identity,
    )


_BRANCHES_AND_TAGS: Final = ("--heads", "--tags")


@dataclass(frozen=True)
class _Search:
    """The questions to the server of one repository, until its ref is found."""

    git: Git
    repository: Repository

    async def default(self) -> ResolvedRef:
        """Return the last commit of the default branch, which the server's HEAD points to."""
        advertisement = await self._ask("--symref", patterns=["HEAD"])
        commit = _listed(advertisement).get("HEAD")
        if commit is None:
            found = _listed(await self._ask(*_BRANCHES_AND_TAGS))
            raise _no_default(self.repository, found) if found else _no_commits(self.repository)
        branch = _DEFAULT_BRANCH.search(advertisement)
        name = _valid_branch(branch[1]) if branch else ""
        return ResolvedRef(commit, name, self.repository.path)

    async def ref_like_commit(self) -> ResolvedRef | None:
        """Return the branch or tag whose name looks like a commit; None if there is none.

        If the server does not say, fetching the commit will tell why.
        """
        ref, path = self.repository.candidates()[-1]
        names = [name for name in refs.full_names(ref) if refs.is_branch_or_tag(name)]
        outcome = await self._list(*_BRANCHES_AND_TAGS, patterns=names)
        if not outcome.succeeded:
            return None
        there = _listed(outcome.output.decode("utf-8", "replace"))
        found = refs.find(ref, {name: there[name] for name in names if name in there})
        return ResolvedRef(*found, path, _which(ref, there)) if found else None

    async def ref(self) -> ResolvedRef:
        """Return the commit of a ref that has a name, or that is an abbreviated commit."""
        found = _listed(await self._ask(*_BRANCHES_AND_TAGS))
        if not found:
            raise _no_commits(self.repository)
        match = self._match(found) or await self._other_ref()
        return match or await self._abbreviated_commit(found)

    def _match(self, found: Mapping[str, str]) -> ResolvedRef | None:
        for ref, path in self.repository.candidates():
            if match := refs.find(ref, found):
                return ResolvedRef(*match, path, _which(match[1], found))
        return None

    async def _other_ref(self) -> ResolvedRef | None:
        """Return the commit of a ref that is neither branch nor tag, such as a pull request's."""
        candidates = self.repository.candidates()
        names = [name for ref, _path in candidates for name in refs.full_names(ref)]
        others = [name for name in names if not refs.is_branch_or_tag(name)]
        return self._match(_listed(await self._ask(patterns=others))) if others else None

    async def _abbreviated_commit(self, found: Mapping[str, str]) -> ResolvedRef:
        """Return the one commit in the history that begins like the ref.

        A history that is too long to look at counts as one without the commit.
        """
        ref, path = self.repository.candidates()[-1]
        if refs.SHORT_COMMIT.fullmatch(ref):
            await _make_folder(self.git, len(next(iter(found.values()))))
            if (await _fetch_history(self.git)).succeeded:
                words = [_DIRECTORY, "rev-list", "--max-count=1", ref.lower()]
                outcome = await self.git.run(words, [])
                if outcome.succeeded and (commit := outcome.output.decode().strip()):
                    return ResolvedRef(commit, commit, path)
        raise _no_such_ref(self.repository, ref, found)

    async def _ask(self, *options: str, patterns: Sequence[str] = ()) -> str:
        """Return the output of ``git ls-remote``. Raises UserError or TemporaryError."""
        outcome = await self._list(*options, patterns=patterns)
        if not outcome.succeeded:
            raise failure(outcome, self.git.url, identity=self.git.identity)
        return outcome.output.decode("utf-8", "replace")

    async def _list(self, *options: str, patterns: Sequence[str]) -> Outcome:
        return await self.git.run(["ls-remote", *options], [self.git.url, *patterns])


def _listed(advertisement: str) -> dict[str, str]:
    """Return commits by full ref name; for an annotated tag, the commit that it tags."""
    refs = {}
    for line in advertisement.split("\n"):
        if found := _LISTED.fullmatch(line):
            refs[found[2].removesuffix("^{}")] = found[1]  # the peeled line comes last
    return refs


def _which(name: str, found: Mapping[str, str]) -> str:
    """Return the sentence that says which was taken if a branch and a tag have one name."""
    if not refs.is_tag_too(name, found):
        return ""
    message = _(
        "“%(name)s” is a branch and a tag here. The branch is taken; for the tag, enter "
        "refs/tags/%(name)s."
    )
    return message % {"name": name}


def _valid_branch(branch: str) -> str:
    """Return the server's own name for a branch, or "" if it would not pass as a typed one."""
    try:
        return clean_ref(branch)
    except UserError:
        return ""


def _no_commits(repository: Repository) -> UserError:
    return UserError(
        "launch.repository-has-no-commits",
        _(
            "%(repository)s has no commits yet, or is not a Git repository. Check the address, or "
            "push a commit, and launch again."
        )
        % {"repository": repository.repository},
    )


def _no_default(repository: Repository, found: Iterable[str]) -> UserError:
    """Return the error for a repository whose HEAD leads nowhere, with what there is to choose."""
    sentence = _("%(repository)s has no default branch. Choose one of its branches or tags.")
    return _offer("launch.no-default-branch", sentence, repository, "", found)


def _no_such_ref(repository: Repository, ref: str, found: Iterable[str]) -> UserError:
    sentence = _("There is no branch, tag or commit “%(ref)s” in %(repository)s.")
    if refs.SHORT_COMMIT.fullmatch(ref):
        sentence += " " + _("If it is a commit, enter all 40 characters.")
    return _offer("launch.ref-not-found", sentence, repository, ref, found)


def _offer(
    code: str, sentence: str, repository: Repository, ref: str, found: Iterable[str]
) -> UserError:
    """Return the error that names the branches and tags nearest to what was asked for."""
    offers = [refs.nearest(ref, found, kind) for kind in ("heads", "tags")]
    parts = [sentence % {"ref": ref, "repository": repository.repository}]
    parts += [
        _(offer) % {"names": ", ".join(names)}
        for offer, names in zip(_OFFERS, offers, strict=True)
        if names
    ]
    return UserError(code, " ".join(parts), branches=offers[0], tags=offers[1])


_OFFERS: Final = (
    gettext_noop("Its branches include %(names)s."),
    gettext_noop("Its tags include %(names)s."),
)


def offered_refs(message: str) -> list[str]:
    """Return the branches and tags that a message about a missing ref names, to choose from.

    No name has a blank in it or ends with a dot.
    """
    found: list[str] = []
    for offer in _OFFERS:
        before, after = map(re.escape, _(offer).split("%(names)s"))
        if match := re.search(rf"{before}((?:\S+, )*\S+){after}(?:\s|$)", message):
            found += match[1].split(", ")
    return found


DEADLINE_SECONDS = (
    20  # reading the commit may take 30 afterwards, and the worker kills a task at 55
)

_FOLDER = "history.git"
_DIRECTORY = f"--git-dir={_FOLDER}"
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
        tips = set(_listed(advertised.output.decode("utf-8", "replace")).values())
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
    await _make_folder(git, len(commit))
    outcome = await _fetch_history(git)
    if not outcome.succeeded:
        raise _failure(outcome, git, commit)
    left = ["rev-list", "--max-count=1", commit, "--not", "--branches", "--tags"]
    outcome = await git.run([_DIRECTORY, *left], [])
    if outcome.timed_out:
        raise _failure(outcome, git, commit)
    return outcome.succeeded and not outcome.output


async def _make_folder(git: Git, digits: int) -> None:
    """Make the folder for the history; ``digits`` is the length of the repository's ids."""
    hashes = "sha1" if digits == 40 else "sha256"
    await git.run(
        ["init", "--quiet", "--bare", "--template=", f"--object-format={hashes}"], [_FOLDER]
    )


async def _fetch_history(git: Git) -> Outcome:
    """Fetch the history; with the files only if the server cannot leave them out."""
    settings = (
        word for each in (*FETCH_SETTINGS, f"remote.origin.url={git.url}") for word in ("-c", each)
    )
    words = [*settings, _DIRECTORY, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
    outcome = await git.run([*words, "--filter=tree:0"], ["origin", *_REFS])
    if not outcome.succeeded and refuses_fetch(outcome):
        outcome = await git.run(words, ["origin", *_REFS])
    return outcome


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
