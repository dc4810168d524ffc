"""Take the address out of what people have in their clipboard. Pure functions of the text.

It may stand in a badge or a link in Markdown, reStructuredText or HTML, in a command that clones,
in the address of a page that shows notebooks of repositories elsewhere, or in a link by which
another hub's nbgitpuller fetches a repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from typing import NamedTuple, NoReturn
from urllib.parse import parse_qsl, quote, urlsplit

from django.utils.translation import gettext as _

from .address import refuse
from .binder import is_launch_link
from .repository import PULL

_MARKDOWN = re.compile(r"\]\(\s*<?((?:[^\s()<>]|\([^\s()<>]*\))+)")
_REST = re.compile(r":target:\s*(\S+)|<([^\s<>]+)>`_")
_HTML = re.compile(r"\bhref\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_MARKUP = {"[": _MARKDOWN, ".": _REST, "`": _REST, ":": _REST, "<": _HTML}
"""How links are found in a text that begins like this."""

_COMMAND = re.compile(
    r"(?:[$%>!#]\s*)*(?P<program>git\s+clone|(?:gh|glab)\s+repo\s+clone|hub\s+clone)(?:\s+(?P<words>.+))?",
    re.DOTALL,
)
_NEXT_COMMAND = re.compile(r"\s*(?:&&|\|\||;(?=\s|$)|\s\|\s|\n|\s#\s).*", re.DOTALL)
_BRANCH = re.compile(r"(?:-b|--branch)=?(?P<ref>.*)", re.DOTALL)
_WITH_VALUE = frozenset({"--depth", "-j", "--jobs", "-o", "--origin", "--filter"})
_WITHOUT_MEANING = re.compile(
    r"--(?:recurs(?:iv)?e(?:-submodules)?|(?:no-)?single-branch|(?:no-)?shallow-submodules|quiet"
    r"|verbose|progress|no-tags|no-checkout|sparse|depth|jobs|origin|filter)(?:=\S*)?"
    r"|-(?:[qvnl]+|j[0-9]*|o)|--",
)
"""Options that change neither what is cloned nor from where."""

_BEFORE_ADDRESS = re.compile(r"^(?:git\+(?=https?://)|https?://(?=https?://))+", re.IGNORECASE)
"""Pip's word for git, and a scheme that was there already when the address was pasted."""
_END_OF_SENTENCE = re.compile(
    r"(?P<address>https?://(?:www\.)?(?:github|gitlab|bitbucket|codeberg)\.(?:com|org)/[^\s()]+)"
    r"[.,;:!?)]+",
    re.IGNORECASE,
)
"""An address on a site where no name ends like this, as it stands in a text."""
_VIEWER = re.compile(
    r"(?:https?://)?(?:www\.)?(?P<host>nbviewer\.(?:jupyter\.|ipython\.)?org|vscode\.dev|"
    r"colab\.research\.google\.com)/+(?:format/[a-z]+/)?(?P<page>.*)",
    re.IGNORECASE | re.DOTALL,
)
_VIEWED = {
    "github/": "https://github.com/",
    "gist/": "https://gist.github.com/",
    "urls/": "https://",
    "url/": "http://",
}

_LAUNCH_LINK = re.compile(r"https?://[^\s()<>\[\]{}\"']+/v2/[^\s()<>\[\]{}\"']+")
_OLD_LINK = re.compile(
    r"(?:https?://)?(?:[a-z]+\.)?mybinder\.org(?::80)?/+repo/+(?P<name>[^/?#\s]+/[^/?#\s]+)"
    r"/*(?P<path>[^?#\s]*)",
    re.IGNORECASE,
)
"""A link of the first mybinder.org, which opened an address on the notebook's host."""

_GIT_PULL = re.compile(
    r"(?:https?://)?[^/?#\s@]+(?:/[^/?#\s]+)*/git-pull\?(?P<query>[^#\s]*)(?:#.*)?"
)
_SHOWN_FILE = re.compile(
    r"/?(?P<above>(?:lab|doc)(?:/workspaces/[^/]+)?/tree|tree|notebooks|edit|view)/"
    r"(?P<path>[^?#]+)"
)
"""Where Jupyter shows a file of the folder into which nbgitpuller puts the repository."""


_JUPYTER = re.compile(r"/?(?:(?:lab|doc|tree|notebooks|edit|view)(?:[/?#].*)?)?")


class Pasted(NamedTuple):
    """The address in a pasted text, and the ref and the file beside it in a command or a link.

    ``place`` is where a link shows the file on a notebook's host, or what it shows instead; "" is
    JupyterLab.
    """

    address: str
    ref: str = ""
    path: str = ""
    place: str = ""


def pulled(urlpath: str) -> Pasted:
    """Return what nbgitpuller fetches for an address on a notebook's host, and the file it opens.

    Raises UserError if the address names no repository.
    """
    return _pulled(urlpath.removeprefix(PULL).partition("#")[0])


def unwrap(text: str) -> Pasted:
    """Return the address in a text; the text itself if it is not wrapped in anything.

    Raises UserError for a command that cannot be understood, and for a notebook elsewhere.
    """
    if pattern := _MARKUP.get(text[:1]):
        text = _link_in(text, pattern) or text
    if command := _COMMAND.fullmatch(text):
        return _cloned(command["program"], command["words"] or "")
    text = _launch_link_in(_BEFORE_ADDRESS.sub("", text))
    if ended := _END_OF_SENTENCE.fullmatch(text):
        text = ended["address"].rstrip(".,;:!?")
    if link := _GIT_PULL.fullmatch(text):
        return _pulled(link["query"])
    if viewer := _VIEWER.fullmatch(text):
        return Pasted(_viewed(viewer["page"]))
    if old := _OLD_LINK.fullmatch(text):
        query = f"?urlpath={quote(old['path'], safe='/%')}" if old["path"] else ""
        return Pasted(f"/v2/gh/{old['name']}/HEAD{query}")
    return Pasted(text)


def _launch_link_in(text: str) -> str:
    """Return the launch link in a line of a README or a sentence, else the text."""
    begins_well = re.match(r"[\w/]", text)
    if begins_well and (is_launch_link(text) or not re.search(r"\s", text)):
        return text
    links = (unescape(found[0]).rstrip(".,;:!") for found in _LAUNCH_LINK.finditer(text))
    return next(filter(is_launch_link, links), text)


def _link_in(text: str, pattern: re.Pattern[str]) -> str:
    """Return the launch link in a text, else its last link, which is the one around a picture."""
    links = [unescape("".join(groups)) for groups in _groups(pattern, text)]
    return next(filter(is_launch_link, links), links[-1] if links else "")


def _groups(pattern: re.Pattern[str], text: str) -> Iterable[tuple[str, ...]]:
    return (found.groups(default="") for found in pattern.finditer(text))


def _cloned(program: str, text: str) -> Pasted:
    """Return what a command clones, and the branch or tag that it names."""
    words = iter(word.strip("\"'") for word in _NEXT_COMMAND.sub("", text).split())
    named: list[str] = []
    ref = ""
    for word in words:
        if not word.startswith("-"):
            named.append(word)
        elif branch := _BRANCH.fullmatch(word):
            ref = branch["ref"] or next(words, "")
        elif word in _WITH_VALUE:
            next(words, "")
        elif not _WITHOUT_MEANING.fullmatch(word):
            _refuse_command()
    if not 1 <= len(named) <= 2:  # the second is the folder
        _refuse_command()
    is_short = re.fullmatch("[^/:.]+(?:/[^/:]+)+", named[0])
    host = "https://gitlab.com/" if program.startswith("glab") and is_short else ""
    return Pasted(host + named[0], ref)


def _refuse_command() -> NoReturn:
    refuse(
        _(
            "This command has parts that mean nothing here. Paste only the repository's address, "
            "and enter a branch in the field for it."
        )
    )


def _pulled(query: str) -> Pasted:
    """Return what nbgitpuller's link fetches, and the file of it that the link opens."""
    found = dict(reversed(parse_qsl(query, errors="replace")))  # the first of each counts
    if not (address := found.get("repo", "").strip()):
        refuse(
            _(
                "This link is for nbgitpuller, but names no repository: its “repo” is empty. Paste "
                "the repository's address instead."
            )
        )
    name = urlsplit(address).path.rstrip("/").rpartition("/")[2].removesuffix(".git")
    folder = found.get("targetpath", found.get("targetPath", name)).strip("/")
    urlpath = found.get("urlpath", "")
    place = "" if _JUPYTER.fullmatch(urlpath) else urlpath
    shown = _SHOWN_FILE.fullmatch(urlpath)
    if shown and shown["path"].startswith(f"{folder}/") and shown["path"] != f"{folder}/":
        place = "" if shown["above"].startswith("lab") else shown["above"]
        path = shown["path"].removeprefix(f"{folder}/")
        return Pasted(address, found.get("branch", ""), path, place)
    path = found.get("subPath", found.get("subpath", ""))
    return Pasted(address, found.get("branch", ""), path, place)


def _viewed(page: str) -> str:
    """Return the address of what a page on a viewer's site shows. Raises UserError."""
    for start, address in _VIEWED.items():
        if page.startswith(start):
            return address + page.removeprefix(start)
    return refuse(
        _(
            "This page shows a notebook that is in no Git repository. Save the notebook to a "
            "repository, and paste the repository's address."
        )
    )
