"""GitHub and GitLab: names with slashes, and pages below a repository.

People paste what is in the browser's address bar, and that is seldom the repository itself but one
of its pages: a folder, a file, a commit. The branch and the file are taken from the address.
`GitHub` has ``owner/repository``, `GitLab` ``group/subgroup/repository``. Digital object
identifiers are recognised, too, to refuse them with a clear message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, NoReturn

from django.utils.translation import gettext as _

from sessions.errors import UserError

from .address import Address, Git, refuse
from .repository import Repository, clean_path, clean_ref

# Pages that show files at a ref; the ref and path follow.
_FILES = {"tree", "blob", "blame", "edit", "raw"}
_ONE_REF = {"commit", "commits", "tags"}


class Forge:
    """A site that hosts repositories under their owners' names."""

    key: ClassVar[str]
    label: ClassVar[str]
    hosts: ClassVar[frozenset[str]]

    def claims(self, text: str, address: Address | None) -> bool:
        """Return whether a text is this site's although nobody named the provider.

        Its SSH address is not claimed: it means a private repository, fetched with the person's own
        key.
        """
        return address is not None and address.host in self.hosts and address.scheme != "ssh"

    def parse(self, text: str, address: Address | None) -> Repository:
        """Return the repository, with branch and file if the text is the address of a page.

        Raises UserError.
        """
        if address is not None and address.scheme == "ssh":
            return Git().parse(text, address)
        if address is not None and address.host in self.hosts:
            segments: Sequence[str] = address.segments
        elif address is None or address.without_scheme:
            segments = text.strip("/").split("/")
        else:
            self.refuse_host(address.host)
        names, page = self.split(segments)
        name = "/".join(names).removesuffix(".git")
        repository = Repository(self.key, name, f"https://{min(self.hosts, key=len)}/{name}.git")
        return _at_page(repository, page)

    def split(self, segments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """Return the segments that name the repository, and those of the page. Raises UserError."""
        raise NotImplementedError

    def refuse_host(self, host: str) -> NoReturn:
        """Raise UserError because the address is on another host."""
        refuse(
            _("%(host)s is not %(site)s. Choose “Git” to use a repository there.")
            % {"host": host, "site": self.label}
        )


def _at_page(repository: Repository, page: Sequence[str]) -> Repository:
    """Return the repository at the branch and file that a page shows."""
    if not page:
        return repository
    kind, rest = page[0], page[1:]
    if kind == "releases" and rest and rest[0] == "tag":
        kind, rest = "tags", rest[1:]
    if kind in _ONE_REF and rest:
        return _at(repository, "/".join(rest), "")
    if kind in _FILES and rest:
        tail = "/".join(rest) if len(rest) > 1 else ""
        return _at(repository, rest[0], "/".join(rest[1:]), tail)
    return refuse(
        _(
            "This is a page about %(repository)s. Paste the address of its files or of a branch "
            "instead."
        )
        % {"repository": repository.repository}
    )


def _at(repository: Repository, ref: str, path: str, tail: str = "") -> Repository:
    return Repository(
        repository.provider,
        repository.repository,
        repository.url,
        clean_ref(ref),
        clean_path(path),
        tail,
    )


_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_GITHUB_NAME = re.compile(r"(?!\.{1,2}(?:\.git)?$)[A-Za-z0-9._-]{1,100}")


class GitHub(Forge):
    """github.com; two words with a slash mean a repository here."""

    key = "gh"
    label = "GitHub"
    hosts: ClassVar = frozenset({"github.com", "www.github.com"})

    def claims(self, text: str, address: Address | None) -> bool:
        """Return whether the text is ``owner/repository`` or an address on github.com.

        Raises UserError for the address of a raw file, which names no repository.
        """
        if address is not None and address.host == "raw.githubusercontent.com":
            refuse(
                _(
                    "This is the address of a raw file. Paste the address of the file's page on "
                    "GitHub, or of its repository."
                )
            )
        short = address is None and re.fullmatch("[^/]+/[^/]+/?", text) is not None
        return short or super().claims(text, address)

    def split(self, segments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """Return owner and repository, and the rest as the page. Raises UserError."""
        if (
            len(segments) < 2
            or not _OWNER.fullmatch(segments[0])
            or not _is_repository_name(segments[1])
        ):
            refuse(_("Write a GitHub repository as owner/repository, such as ada/flowers."))
        return segments[:2], segments[2:]


def _is_repository_name(name: str) -> bool:
    return bool(_GITHUB_NAME.fullmatch(name)) and name != ".git"


_GITLAB_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_MAX_GROUPS = 21


class GitLab(Forge):
    """gitlab.com; page paths come after ``/-/``, because groups may be nested."""

    key = "gl"
    label = "GitLab"
    hosts: ClassVar = frozenset({"gitlab.com", "www.gitlab.com"})

    def split(self, segments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """Return groups and repository, and what follows ``/-/`` as the page. Raises UserError."""
        end = segments.index("-") if "-" in segments else len(segments)
        names = segments[:end]
        if not 2 <= len(names) <= _MAX_GROUPS or not all(map(_GITLAB_NAME.fullmatch, names)):
            refuse(_("Write a GitLab repository as group/repository, such as ada/flowers."))
        return names, segments[end + 1 :]


_DOI = re.compile(r"(?:doi: *)?10\.[0-9]{4,9}/.+", re.IGNORECASE)
_RESOLVERS = frozenset({"doi.org", "dx.doi.org", "www.doi.org"})


class Doi:
    """Archives that give a repository a DOI."""

    key = "doi"
    label = "DOI"

    def claims(self, text: str, address: Address | None) -> bool:
        """Return whether the text is a DOI, or the address of one at a resolver."""
        return bool(_DOI.fullmatch(text)) or (address is not None and address.host in _RESOLVERS)

    def parse(self, text: str, address: Address | None) -> NoReturn:
        """Raise UserError: DOIs cannot be launched yet."""
        raise UserError(
            "launch.doi-not-supported",
            _(
                "DOIs cannot be launched yet. Open the DOI's page and paste the address of the "
                "Git repository that it names."
            ),
        )
