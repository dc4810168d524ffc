"""Define a repository as a person named it, and bound what may be typed.

The providers beside this module make a `Repository` from text, without looking it up; the launch
form shows it; `sessions.git.resolve` finds its commit.

The ``clean_…`` functions bound the fields of a launch. Text that passes is safe as one argument of
a program: it has no control characters and does not begin like an option. The providers parse the
rest.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

from django.utils.translation import gettext as _

from sessions.errors import UserError


def is_private(url: str) -> bool:
    """Return whether a person's SSH key opens what git clones: then the build is theirs alone."""
    return not url.startswith(("https://", "http://"))


DOI_SITE = "https://doi.org/"


@dataclass(frozen=True)
class Repository:
    """A repository, and what to open in it.

    ``repository`` is its name for people, ``url`` the address that git clones (https, ssh, or http
    of a trusted host). An empty ``ref`` means the default branch, an empty ``path`` the folder of
    the repository; paths are relative, with ``/``.

    The web address of a file does not say where the branch ends and the path begins, since both may
    contain slashes. Then ``ambiguous_tail`` keeps them together, and ``ref`` and ``path`` are the
    likely reading: a branch without slashes.

    ``urlpath`` is where a launch link leads on the notebook's host, without the first slash: an
    address there or, if there is a ``path``, the part of it above that path. "" is JupyterLab.
    ``notice`` is a sentence for people about how the text was understood; "" if it is plain.

    With a ``content_source``, this repository is the environment's alone, and the files are those
    of that one, in a `folder` of the home folder. ``path`` is then its file, and the same there.
    """

    provider: str
    repository: str
    url: str
    ref: str = ""
    path: str = ""
    ambiguous_tail: str = ""
    urlpath: str = ""
    notice: str = field(default="", compare=False)
    content_source: Repository | None = None

    @property
    def is_content_optional(self) -> bool:
        """Return whether the content is only fetched where nbgitpuller does not do it."""
        return self.urlpath.startswith(PULL)

    @property
    def folder(self) -> str:
        """Return the folder that its files get as content: its name, as git and nbgitpuller do."""
        name = unquote(self.url.rstrip("/").rpartition("/")[2]).removesuffix(".git")
        return _NO_FOLDER_NAME.sub("-", name).strip(".-")[:MAX_FOLDER_LENGTH] or "content"

    @property
    def as_content(self) -> str:
        """Return its address and its ref as ``content=`` has them in a launch link."""
        plain = self.url if self.provider == "git" else self.url.removesuffix(".git")
        scheme, mark, place = plain.partition("://")
        host, slash, path = place.partition("/")
        address = f"{scheme}{mark}{host}{slash}{path.replace('@', '%40')}"
        return f"{address}@{self.ref}" if self.ref else address

    @property
    def is_doi(self) -> bool:
        """Return whether it is named by a DOI, which leads to a page of an archive."""
        return self.url.startswith(DOI_SITE)

    def candidates(self) -> list[tuple[str, str]]:
        """Return every (ref, path) that may be meant, the longest ref first; only one can exist."""
        if not self.ambiguous_tail:
            return [(self.ref, self.path)]
        segments = self.ambiguous_tail.split("/")
        splits = [
            ("/".join(segments[:length]), "/".join(segments[length:]))
            for length in range(len(segments), 0, -1)
        ]
        typed = self.path != splits[-1][1]
        return [(ref, self.path if typed else path) for ref, path in splits]


MAX_REPOSITORY_LENGTH = 2000
MAX_REF_LENGTH = 255
MAX_PATH_LENGTH = 1000
MAX_FOLDER_LENGTH = 100
PULL = "git-pull?"
"""How the address of nbgitpuller begins on a notebook's host."""

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_AROUND = " \t\r\n\u00a0\u200b\u2060\ufeff"
_QUOTES = {'"': '"', "'": "'", "<": ">", "“": "”", "„": "“", "‘": "’", "`": "`", "(": ")"}
# Forbidden by git's check-ref-format, or starting with a minus sign.
_BAD_REF = re.compile(r"^[-/]|[ ~^:?*\[\\]|\.\.|//|@\{|^@$|[/.]$|(?:^|/)\.|\.lock(?:/|$)")
_NO_FOLDER_NAME = re.compile(r"[^\w.-]+", re.ASCII)
_BAD_PATH = re.compile(r"^-|\\|//|(?:^|/)\.{1,2}(?:/|$)")


def has_invisible(text: str) -> bool:
    """Return whether the text has characters that are invisible or reverse other text."""
    return any(unicodedata.category(character) in _INVISIBLE for character in text)


def clean_repository(text: str) -> str:
    """Return the pasted text without surrounding blanks and quotes.

    Raises UserError if it is empty or too long.
    """
    text = unquoted(text.strip(_AROUND))
    require_length(text)
    if not text:
        raise UserError(
            "launch.repository-empty",
            _("Paste the address of a Git repository, or enter owner/repository for GitHub."),
        )
    return text


def require_length(text: str) -> None:
    """Raise UserError for a repository, as typed or as git gets it, that is too long to store."""
    if len(text) > MAX_REPOSITORY_LENGTH:
        raise UserError(
            "launch.repository-too-long",
            _(
                "The repository's address can have at most %(most)s characters. Paste the address "
                "only."
            )
            % {"most": MAX_REPOSITORY_LENGTH},
        )


def unquoted(text: str) -> str:
    """Return the text without one pair of quotation marks or brackets around it."""
    inner = text[1:-1]
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in inner:
        return inner.strip(_AROUND)
    return text


def clean_ref(text: str) -> str:
    """Return a branch, tag or commit in the form that git accepts. Raises UserError."""
    ref = text.strip(_AROUND)
    if len(ref) > MAX_REF_LENGTH or _BAD_REF.search(ref) or has_invisible(ref):
        raise UserError(
            "launch.ref-not-understood",
            _(
                "This is not a valid branch, tag or commit. Enter it as Git shows it, such as "
                "main or v1.2, without spaces, or leave it empty for the default branch."
            ),
        )
    return "" if ref == "HEAD" else ref


def clean_path(text: str) -> str:
    """Return a file or folder of the repository, relative to its root. Raises UserError."""
    path = text.strip(_AROUND).removeprefix("./").strip("/")
    if len(path) > MAX_PATH_LENGTH or _BAD_PATH.search(path) or has_invisible(path):
        raise UserError(
            "launch.path-not-understood",
            _(
                "This is not a valid file or folder of the repository. Enter its path from the "
                "top of the repository, with slashes, such as notebooks/index.ipynb."
            ),
        )
    return path


def path_spellings(path: str) -> list[str]:
    """Return a path and what its %-escapes, and a ``+`` for a blank, may mean; each is valid."""
    found = [path]
    for decoded in (unquote(path), unquote_plus(path)):
        with suppress(UserError):
            if clean_path(decoded) == decoded:
                found.append(decoded)
    return list(dict.fromkeys(found))
