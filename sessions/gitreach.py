"""Whether a commit that was asked for by its id is one of the repository's own.

The large forges keep a repository and all its copies (forks) in one store, and give any commit
of a copy under the repository's name. So a commit counts only if a branch or a tag of the
repository leads to it: its server is asked for the history of these, without any files.
`gitremote` finds commits, `gitprocess` runs git and bounds it.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.utils.translation import gettext as _

from keys.identity import Identity
from sessions.errors import BinderyError, UserError
from sessions.gitfailures import failure, withheld
from sessions.gitprocess import FETCH_SETTINGS, Git, Outcome, call
from sessions.providers import rules

DEADLINE_SECONDS = 20  # reading the commit may take 30 after it, and the worker ends a task at 55

_FOLDER = "history.git"
_DIRECTORY = f"--git-dir={_FOLDER}"
_ADVERTISED = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t.+")
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def require_reachable(
    url: str, commit: str, identity: Identity | None = None, seconds: float = DEADLINE_SECONDS
) -> None:
    """Raise UserError unless a branch or a tag of the repository leads to the commit.

    ``commit`` is 40 or 64 hex digits in small letters. Takes as long as the server does, at most
    ``seconds``; where its history is too long for that, or larger than a repository may be, the
    commit does not pass. Raises TemporaryError when the server is not there.
    """

    async def find(git: Git) -> bool:
        advertised = await git.run(["ls-remote", "--heads", "--tags"], [url])
        if not advertised.answered:
            raise failure(advertised, url, identity=identity)
        lines = advertised.output.decode("utf-8", "replace").splitlines()
        tips = {found[1] for found in map(_ADVERTISED.fullmatch, lines) if found}
        return commit in tips or (bool(tips) and await _has(git, commit))

    limit = settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6
    if not call(find, url, rules(), seconds, limit, identity):
        raise UserError(
            "launch.commit-elsewhere",
            _(
                "No branch and no tag of %(url)s leads to the commit “%(commit)s”: it may be of"
                " somebody's copy (fork) of the repository, and not everything may be launched"
                " here. Name a branch or a tag, or a commit that is on one."
            )
            % {"url": url, "commit": commit},
        )


async def _has(git: Git, commit: str) -> bool:
    """Return whether the history of all branches and tags holds the commit.

    Only the fetch knows the server's address: what is not there then is not fetched on its own,
    as git does with what a filter has left out.
    """
    hashes = "sha1" if len(commit) == 40 else "sha256"
    await git.run(
        ["init", "--quiet", "--bare", "--template=", f"--object-format={hashes}"], [_FOLDER]
    )
    await _fetch(git, commit)
    left = ["rev-list", "--max-count=1", commit, "--not", "--branches", "--tags"]
    outcome = await git.run([_DIRECTORY, *left], [])
    if outcome.late:
        raise _failure(outcome, git, commit)
    return outcome.answered and not outcome.output


async def _fetch(git: Git, commit: str) -> None:
    """Bring the history, with the files only where the server cannot leave them out."""
    settings = (
        word for each in (*FETCH_SETTINGS, f"remote.origin.url={git.url}") for word in ("-c", each)
    )
    words = [*settings, _DIRECTORY, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
    outcome = await git.run([*words, "--filter=tree:0"], ["origin", *_REFS])
    if not outcome.answered and withheld(outcome):
        outcome = await git.run(words, ["origin", *_REFS])
    if not outcome.answered:
        raise _failure(outcome, git, commit)


def _failure(outcome: Outcome, git: Git, commit: str) -> BinderyError:
    """Say why the history cannot be had; for want of time or room the commit does not pass."""
    error = failure(outcome, git.url, commit, git.identity)
    if not outcome.late and error.code != "launch.repository-too-large":
        return error
    return UserError(
        "launch.commit-unproven",
        _(
            "It cannot be made sure in time that the commit “%(commit)s” belongs to %(url)s, and"
            " not everything may be launched here. Name a branch or a tag instead."
        )
        % {"url": git.url, "commit": commit},
    )
