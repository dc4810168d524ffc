"""Sites that host repositories: the names of these, and the pages below them.

People paste what is in the browser's address bar, and that is seldom the repository itself but one
of its pages: a folder, a file, a commit. The branch and the file are taken from the address.
`GitHub` has ``owner/repository``, `GitLab` ``group/subgroup/repository``, `Gist` a user's snippets.
`Git` takes a repository on any host, by the address that ``git clone`` accepts or by a page that
looks like one of GitLab, Gitea, Forgejo, Bitbucket or GitHub.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, NoReturn
from urllib.parse import parse_qsl

from django.utils.translation import gettext as _

from .address import Address, refuse
from .pages import FILES, ONE_REF, REQUESTS, names_and_page, packed_ref, plain_page, split_page
from .repository import Repository, clean_path, clean_ref

_FILE = "file"
"""A page of ours for a file of a gist, which has no word for it."""


class Forge:
    """A site that hosts repositories under their owners' names."""

    key: ClassVar[str]
    label: ClassVar[str]
    host: ClassVar[str]
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
            segments: Sequence[str] = self.segments(address)
        elif address is None or address.without_scheme:
            segments = text.strip("/").split("/")
        else:
            self.refuse_host(address.host)
        ref = ""
        if len(segments) > 1 and "@" in segments[1]:  # owner/repository@ref
            name, _at_sign, ref = "/".join(segments[1:]).partition("@")
            segments = [segments[0], name]
        names, page = self.split(segments)
        name = "/".join(names).removesuffix(".git")
        repository = Repository(self.key, name, f"https://{self.host}/{name}.git")
        return _at_page(repository, ["tags", ref] if ref else page)

    def segments(self, address: Address) -> Sequence[str]:
        """Return the names and the page in an address on one of the hosts."""
        return address.segments

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
    """Return the repository at the branch and file that a page shows. Raises UserError."""
    if not page:
        return repository
    kind, rest = plain_page(page)
    name = repository.repository.rpartition("/")[2].removesuffix(".git")
    whole = "/".join(rest)
    if kind == "commit" and rest:
        return _at(repository, rest[0], "/".join(rest[1:]))
    if kind in ONE_REF and rest:
        return _at(repository, packed_ref(name, rest) if kind == "archive" else whole, "")
    if kind in FILES and rest:
        return _at(repository, rest[0], "/".join(rest[1:]), whole if len(rest) > 1 else "")
    if kind in REQUESTS and rest and re.fullmatch("[0-9]{1,12}", rest[0]):
        return _at(repository, f"{REQUESTS[kind]}/{rest[0]}", "")
    return _at(repository, "", whole) if kind == _FILE else _refuse_page(repository, kind)


def _refuse_page(repository: Repository, kind: str) -> NoReturn:
    sentence = _(
        "This is a page about %(repository)s. Paste the address of its files or of a branch "
        "instead."
    )
    if kind == "pull-requests":
        sentence = _(
            "Bitbucket does not let Git fetch the pull requests of %(repository)s. Paste the "
            "address of the pull request's branch instead."
        )
    refuse(sentence % {"repository": repository.repository})


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
_OTHER_GITHUB = {"raw.githubusercontent.com": "raw", "codeload.github.com": "archive"}
"""Hosts for one kind of page, and the word for it."""


class GitHub(Forge):
    """github.com and its other faces; two words with a slash mean a repository here."""

    key = "gh"
    label = "GitHub"
    host = "github.com"
    hosts: ClassVar = frozenset({"github.com", "github.dev", *_OTHER_GITHUB})

    def claims(self, text: str, address: Address | None) -> bool:
        """Return whether the text is ``owner/repository[@ref]`` or an address on GitHub."""
        short = address is None and re.fullmatch("[^/]+/(?:[^/]+/?|[^/@]+@.+)", text) is not None
        return short or super().claims(text, address)

    def segments(self, address: Address) -> Sequence[str]:
        """Return the names and the page; some hosts' addresses leave out the word for it."""
        names, page = address.segments[:2], address.segments[2:]
        if kind := _OTHER_GITHUB.get(address.host):
            page = (kind, *(page[1:] if kind == "archive" else page))
        return (*names, *page)

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
    host = "gitlab.com"
    hosts: ClassVar = frozenset({"gitlab.com"})

    def split(self, segments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """Return groups and repository, and the page. Raises UserError."""
        names, page = split_page(segments)
        if not 2 <= len(names) <= _MAX_GROUPS or not all(map(_GITLAB_NAME.fullmatch, names)):
            refuse(_("Write a GitLab repository as group/repository, such as ada/flowers."))
        return names, page


_GIST_ID = re.compile(r"[0-9a-f]{1,64}", re.IGNORECASE)
_GIST_COMMIT = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_RAW_GIST = "gist.githubusercontent.com"
_GIST_PAGES = frozenset({"revisions", "stargazers", "forks"})


class Gist(Forge):
    """gist.github.com: a user's snippets, each a repository with a number for its name."""

    key = "gist"
    label = "GitHub Gist"
    host = "gist.github.com"
    hosts: ClassVar = frozenset({"gist.github.com", _RAW_GIST})

    def split(self, segments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """Return user and number, and what follows as the page. Raises UserError.

        A commit may follow the number, and a file the commit or the number.
        """
        names, rest = segments[:2], [each for each in segments[2:] if each != "raw"]
        number = names[1].removesuffix(".git") if len(names) == 2 else ""
        if not _GIST_ID.fullmatch(number) or not _OWNER.fullmatch(names[0]):
            refuse(_("Write a gist as its user and number, such as ada/0123456789abcdef."))
        if rest[:1] == ["archive"] and len(rest) == 2:
            return names, rest
        if rest and _GIST_COMMIT.fullmatch(rest[0]):
            return names, ["commit", *rest]
        if len(rest) == 1 and rest[0] in _GIST_PAGES:
            return names, []
        return names, [_FILE, *rest] if rest else []


_SEGMENT = re.compile(r"[\w.~+@=,: -]+")


class Git:
    """Any Git address; the provider of last resort."""

    key = "git"
    label = "Git"

    def claims(self, text: str, address: Address | None) -> bool:
        """Return whether the text is an address."""
        return address is not None

    def parse(self, text: str, address: Address | None) -> Repository:
        """Return the repository at the address. Raises UserError for what cannot be cloned."""
        if address is None:
            refuse()
        if found := _on_bitbucket_server(address):
            return found
        names, page = names_and_page(address)
        if address.query and not page:
            refuse(
                _(
                    "This address has a “?”, like that of a web page. Paste the address for "
                    "cloning instead."
                )
            )
        if not all(_SEGMENT.fullmatch(segment) for segment in names):
            refuse(
                _(
                    "The address contains characters that a repository's address cannot have. "
                    "Check it and paste it again."
                )
            )
        url = replace(address, segments=tuple(names)).url
        return _at_page(Repository(self.key, url, url), page)


_SERVER_REQUEST = re.compile("[0-9]{1,12}")
_BEFORE_NAME = re.compile("^refs/(?:heads|tags)/")


def _on_bitbucket_server(address: Address) -> Repository | None:
    """Return what a page of Bitbucket Server (now Data Center) shows; None if it is none.

    Its pages are below ``/projects/<key>/repos/<name>``, or ``/users/<name>/…`` for a person's own,
    and its repositories below ``/scm/<key>/<name>``. The branch is in the query.
    """
    words = address.segments
    place = next((n for n, word in enumerate(words) if word in {"projects", "users"}), len(words))
    if address.scheme == "ssh" or len(words) < place + 4 or words[place + 2] != "repos":
        return None
    kind, key, _repos, name, *page = words[place:]
    names = (*words[:place], "scm", f"~{key}" if kind == "users" else key.lower(), f"{name}.git")
    if not all(_SEGMENT.fullmatch(each) for each in names):
        return None
    url = replace(address, segments=names).url
    ref = dict(parse_qsl(address.query[:2000])).get("at", "")
    path = "/".join(page[1:]) if page[:1] in (["browse"], ["raw"]) else ""
    if page[:1] == ["commits"] and len(page) > 1:
        ref = page[1]
    if page[:1] == ["pull-requests"] and len(page) > 1 and _SERVER_REQUEST.fullmatch(page[1]):
        ref = f"refs/pull-requests/{page[1]}/from"
    return _at(Repository(Git.key, url, url), _BEFORE_NAME.sub("", ref), path)
