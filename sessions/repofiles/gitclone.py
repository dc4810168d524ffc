"""Clone a repository at a commit, as one would clone it to work: the script and git's variables.

A keeper runs it in a sandbox, and `bindery_builder.fetch` in a build's pod; each has its own way to
give git a key. Standard library only.
"""

from __future__ import annotations

SCRIPT = """
git clone --no-checkout --progress --template= -- "$1" .
git cat-file -e "$2^{commit}" 2>/dev/null || git fetch --progress origin "$2"
branch="${3:-$(git symbolic-ref --short refs/remotes/origin/HEAD | sed s,^origin/,,)}"
if git show-ref --verify --quiet "refs/remotes/origin/$branch"; then
    git update-ref "refs/heads/$branch" "$2"
    git symbolic-ref HEAD "refs/heads/$branch"
    git config "branch.$branch.remote" origin
    git config "branch.$branch.merge" "refs/heads/$branch"
else
    git update-ref --no-deref HEAD "$2"
fi
git reset --hard --quiet
git submodule update --init --recursive --progress
"""
"""Run in an empty folder as ``sh -euc SCRIPT NAME URL COMMIT REF``; the ref may be ""."""


def environment(*, plain_http: bool) -> dict[str, str]:
    """Return git's variables: the allowed protocols, no prompts, nobody's settings.

    ``plain_http`` allows HTTP without TLS, too.
    """
    return {
        "GIT_ALLOW_PROTOCOL": "https:ssh:http" if plain_http else "https:ssh",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
