"""What GitHub and GitLab have in common: names with slashes, and pages below a repository.

A person pastes what stands in the browser's address bar, and that is seldom the repository
itself but a page of it: a folder, a file, a commit. The branch and the file are taken from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NoReturn

from django.utils.translation import gettext as _

from sessions.providers.address import Address, refuse
from sessions.providers.git import Git
from sessions.providers.repository import Repository
from sessions.providers.wording import clean_path, clean_ref

# The pages that show files at a ref; what follows them is the ref and the path.
_FILES = {"tree", "blob", "blame", "edit", "raw"}
_ONE_REF = {"commit", "commits", "tags"}


class Forge:
    """One site that hosts repositories under their owners' names."""

    key: ClassVar[str]
    label: ClassVar[str]
    hosts: ClassVar[frozenset[str]]

    def claims(self, text: str, address: Address | None) -> bool:
        """Whether a text is this site's although nobody named the provider.

        Who pastes its address for SSH wants a private repository, fetched with their own key.
        """
        return address is not None and address.host in self.hosts and address.scheme != "ssh"

    def understand(self, text: str, address: Address | None) -> Repository:
        """The repository, with branch and file where the text is the address of a page.

        Raises UserError.
        """
        if address is not None and address.scheme == "ssh":
            return Git().understand(text, address)
        if address is not None and address.host in self.hosts:
            segments: Sequence[str] = address.segments
        elif address is None or address.bare:
            segments = text.strip("/").split("/")
        else:
            self.refuse_host(address.host)
        names, page = self.split(segments)
        name = "/".join(names).removesuffix(".git")
        repository = Repository(self.key, name, f"https://{min(self.hosts, key=len)}/{name}.git")
        return _at_page(repository, page)

    def split(self, segments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """The segments that name the repository, and those of the page. Raises UserError."""
        raise NotImplementedError

    def refuse_host(self, host: str) -> NoReturn:
        refuse(
            _("%(host)s is not %(site)s. Choose “Git” to use a repository there.")
            % {"host": host, "site": self.label}
        )


def _at_page(repository: Repository, page: Sequence[str]) -> Repository:
    """The repository at the branch and file that a page shows."""
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
        _("This is a page about %(repository)s. Paste the address of its files or of a branch.")
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
