"""Clone a repository at a commit, as one would clone it to work on it.

A program of its own, run by its text (`PROGRAM`) in the folder that it fills, which is empty:

    python3 -I -c TEXT URL COMMIT REF LIMIT ANSWER

``REF`` is what the commit was found under, or ""; ``LIMIT`` is how many bytes the files and their
history may take. A keeper runs it in a sandbox, and `bindery_builder.fetch` in a build's pod; each
has its own way to give git a key. The program ends with 0, or with another status if there is no
repository to build. It writes a JSON object into the file ``ANSWER``: ``notes``, sentences about
what could not be had and what is left as it is (`configuration.summary` has them in the log);
``code`` and ``message`` if there is a reason for the failure that people should read.

What a notebook needs is fetched first: the files of the commit, its submodules, what is in Git LFS.
The history follows as far as it fits, so a long one never keeps a notebook from starting. Standard
library only, Python 3.10 or newer.
"""

from __future__ import annotations

from pathlib import Path

from sessions.repofiles import onefile

_MODULES = ("command", "lfsserver", "lfs", "submodules", "main")
"""Each comes after the ones that it imports."""

PROGRAM = onefile.joined(Path(__file__).parent, _MODULES)
"""The package as the text of one program. Read now: a keeper that has dropped its privileges may
not be able to read the portal's files."""

_STALLED_BYTES_PER_SECOND = 1000
_STALLED_SECONDS = 60


def environment(*, plain_http: bool) -> dict[str, str]:
    """Return git's variables: the allowed protocols, no prompts, nobody's settings.

    ``plain_http`` allows HTTP without TLS, too. A server that sends next to nothing for a minute
    counts as gone.
    """
    return {
        "GIT_ALLOW_PROTOCOL": "https:ssh:http" if plain_http else "https:ssh",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_HTTP_LOW_SPEED_LIMIT": str(_STALLED_BYTES_PER_SECOND),
        "GIT_HTTP_LOW_SPEED_TIME": str(_STALLED_SECONDS),
    }
