"""Find, read and fetch what archives of research data keep: Zenodo, Figshare and the like.

A program of its own, run by its text (`PROGRAM`) with one argument, a JSON object:

    python3 -I -c TEXT '{"mode": "fetch", "kind": "zenodo", "url": …, "version": …, …}'

``mode`` is ``resolve`` (which version is meant now), ``read`` (the file ``.resources`` of a
version, without fetching the rest where the archive allows that) or ``fetch`` (fill the current
folder, which is empty, and make it a Git repository with one commit, so that later versions are
merged into people's files as commits are). `main.Wish` has the other keys. The answer is a JSON
object: on standard output, or in the file ``answer``; with ``code`` and ``message`` if it failed.

The program asks through an HTTP proxy only (``http_proxy``), which refuses private addresses, also
after redirects. The portal runs it (`sessions.git.archive`), a keeper in its sandbox, and
`bindery_builder.fetch` in a build's pod. Standard library only, Python 3.10 or newer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from sessions.repofiles import onefile

_MODULES = (
    "../gitclone/command",
    *("failures", "web", "answers", "unpack", "sources", "packed", "main"),
)
"""Each comes after the ones that it imports."""

PROGRAM = onefile.joined(Path(__file__).parent, _MODULES)
"""The package as the text of one program, read now, as that of `gitclone`."""

_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


def is_version(text: str) -> bool:
    """Return whether a text can name a version, in rows, names of files and arguments."""
    return _VERSION.fullmatch(text) is not None and ".." not in text


def fetch_wish(
    kind: str,
    url: str,
    version: str,
    *,
    limit: int,
    hosts: Mapping[str, str],
    answer: str,
    scratch: str = "/tmp",  # noqa: S108  (in a sandbox, which is alone in it)
) -> str:
    """Return the program's argument for fetching; ``answer`` is the file for its answer."""
    wish = {"kind": kind, "url": url, "version": version, "limit": limit, "scratch": scratch}
    return json.dumps({"mode": "fetch", **wish, "hosts": dict(hosts), "answer": answer})
