"""Parse what a person pastes into a `Repository`. Pure functions, without the network.

Each provider is a small class in a module of this package, listed in `PROVIDERS` in the order in
which they are asked whether a text is theirs. To add one, write its class and list it there.
Accepted text has passed `repository` and `address`; `sessions.git.resolve` finds the commit.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from django.utils.translation import gettext as _

from sessions.errors import UserError
from sessions.providers import archives
from sessions.providers.address import Address, egress_rules, parse_address, refuse
from sessions.providers.archives import is_identifier
from sessions.providers.archives import page_of as archive_page
from sessions.providers.binder import (
    LAB,
    REPO_PROVIDERS,
    Linkable,
    clean_urlpath,
    file_in_lab,
    is_launch_link,
    launch_link,
    read_link,
    web_page,
)
from sessions.providers.forges import Gist, Git, GitHub, GitLab
from sessions.providers.pasted import pulled, unwrap
from sessions.providers.repository import (
    PULL,
    Repository,
    clean_path,
    clean_ref,
    clean_repository,
    has_invisible,
    is_private,
    require_length,
)

__all__ = [
    "LAB",
    "PROVIDERS",
    "PULL",
    "REPO_PROVIDERS",
    "Linkable",
    "Provider",
    "Repository",
    "archive_page",
    "describe",
    "egress_rules",
    "is_archive",
    "is_private",
    "launch_link",
    "parse_launch_link",
    "parse_repository",
    "pulled_place",
    "web_page",
]

_AUTHORITY = r"[A-Za-z][\w+.-]*://[^/?#\s]*/|[^/?#@:\s]+@[^/?#@:\s]+:"
_WITH_REF = re.compile(
    rf"(?P<address>(?:{_AUTHORITY}|(?!{_AUTHORITY}))(?:[^@?#\s]|(?<=/)@)*[^@?#\s/])@(?P<ref>[^?#\s]+)"
)
_COMMIT = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
_SHORT_COMMIT = re.compile(r"[0-9a-fA-F]{7,63}")
_REQUEST = re.compile(r"(?:refs/)?(?P<kind>pull|merge-requests)/(?P<number>[0-9]+)(?:/head)?")


class Provider(Protocol):
    """A kind of place that repositories come from; ``key`` is stored, ``label`` is shown."""

    @property
    def key(self) -> str:
        """Return the name that is stored."""

    @property
    def label(self) -> str:
        """Return the name that is shown."""

    def claims(self, text: str, address: Address | None) -> bool:
        """Return whether the text is this provider's although nobody named the provider."""
        ...

    def parse(self, text: str, address: Address | None) -> Repository:
        """Return the repository that the text names. Raises UserError."""
        ...


_ALL: tuple[Provider, ...] = (*archives.PROVIDERS, GitHub(), GitLab(), Gist(), Git())
PROVIDERS = {provider.key: provider for provider in _ALL}


def parse_repository(
    text: str,
    ref: str = "",
    path: str = "",
    provider: str = "",
    *,
    urlpath: str = "",
    content: str = "",
) -> Repository:
    """Return the repository that a person means by the fields of a launch.

    ``provider`` is a key of `PROVIDERS`, or "" to go by the text. A typed ``ref``, ``path`` and
    ``urlpath`` (as in `Repository`) win over those in the address. ``content`` is the address of
    the files' own repository, and ``@`` and its ref if that is not the default branch. Raises
    UserError with a message that says how to write it.
    """
    ref, path = clean_ref(ref), clean_path(path)
    pasted = unwrap(clean_repository(text))
    is_link = is_launch_link(pasted.address)
    found = parse_launch_link(pasted.address) if is_link else _named(pasted.address, provider)
    found = _with_typed(found, clean_ref(pasted.ref), clean_path(pasted.path))
    found = _with_typed(found, ref, path)
    found = replace(found, path=path, urlpath=clean_urlpath(urlpath)) if urlpath else found
    return _with_content(found, content, path)


def parse_launch_link(text: str) -> Repository:
    """Return what a launch link, as in `binder`, names. Raises UserError."""
    require_length(text)
    link = read_link(text)
    named = clean_repository(link.repository)
    is_link = is_launch_link(named)
    found = parse_launch_link(named) if is_link else _named(named, link.provider)
    found = _with_typed(found, link.ref, "")
    path = link.path or ("" if link.content else found.path)
    found = replace(found, path=path, urlpath=link.urlpath)
    return _with_content(found, link.content, link.path)


def _with_content(found: Repository, text: str, path: str) -> Repository:
    """Return the repository with the source of its content, if one is named. Raises UserError.

    ``text`` is its address, "" to keep the one that a link has named. ``path`` is the file of it
    that opens, "" for the one in its address.
    """
    is_pull = found.urlpath.startswith(PULL)
    source = _content(text) if text.strip() else None if is_pull else found.content_source
    if source is None:
        return _with_pulled(found)
    urlpath = "" if is_pull else found.urlpath  # it names another content
    if not text.strip():
        path = path or found.path
    elif not path:
        urlpath = "" if found.path else urlpath  # the part above a file of the environment's
        if inside := file_in_lab(urlpath, source.folder):
            path, urlpath = inside
        path = path or ("" if urlpath else source.path)
    return replace(found, path=path, urlpath=urlpath, content_source=replace(source, path=path))


def _with_pulled(found: Repository) -> Repository:
    """Return the repository with what a link has nbgitpuller fetch, in case that is missing.

    Nothing is said about an address that is not understood: nbgitpuller may understand it.
    """
    if not found.urlpath.startswith(PULL):
        return found
    with suppress(UserError):
        pasted = pulled(found.urlpath)
        return replace(found, content_source=_source(pasted.address, pasted.ref))
    return found


def pulled_place(urlpath: str) -> tuple[str, str]:
    """Return the path and the urlpath that open what nbgitpuller's address would have opened."""
    pasted = pulled(urlpath)
    return clean_path(pasted.path), clean_urlpath(pasted.place)


def _content(text: str) -> Repository:
    """Return the source of the content at an address, or at an address and its ref after an ``@``.

    Raises UserError.
    """
    try:
        return _source(*_split_ref(clean_repository(text)))
    except UserError as error:
        message = _("The content’s repository: %(message)s") % {"message": error.message}
        raise UserError(error.code, message, **error.details) from None


def _source(address: str, ref: str) -> Repository:
    """Return the repository of content; a launch link is none, since it may have one of its own."""
    if is_launch_link(unwrap(clean_repository(address)).address):
        refuse(_("This is a launch link. Paste the address of the repository with the files."))
    source = parse_repository(address, ref)
    if is_archive(source.provider):
        sentence = _(
            "Archives cannot be content. Launch the archive itself, or a repository with it."
        )
        raise UserError("launch.content-archive", sentence)
    return source


def _split_ref(text: str) -> tuple[str, str]:
    """Return the address and the ref in it; names may begin with an ``@``, but not have one."""
    found = _WITH_REF.fullmatch(text)
    return (found["address"], found["ref"]) if found else (text, "")


def _named(text: str, provider: str) -> Repository:
    """Return the repository that a text names by its address. Raises UserError."""
    if has_invisible(text):
        refuse(
            _("The repository's address contains an invisible character. Type it again by hand.")
        )
    address = None if is_identifier(text) else parse_address(text)
    if re.search(r"\s", text) and not is_identifier(text):
        refuse(
            _("The repository's address contains a space. Paste only the address, without a space.")
        )
    found = _provider(provider, text, address).parse(text, address)
    require_length(found.url)
    if is_launch_link(found.url):  # with escapes in it that hide what it is
        refuse()
    if address is None or not address.was_http:
        return found
    return replace(found, notice=_("over https, although the address says http"))


def _provider(key: str, text: str, address: Address | None) -> Provider:
    if not key:
        claiming = (one for one in PROVIDERS.values() if one.claims(text, address))
        return next(claiming, None) or refuse()
    if key not in PROVIDERS:
        raise UserError(
            "launch.provider-unknown",
            _("Unknown kind of repository. Leave it empty to use the address."),
        )
    return PROVIDERS[key]


def _with_typed(found: Repository, ref: str, path: str) -> Repository:
    """Return the repository at the ref and path that were typed beside its address."""
    found = replace(found, path=path or found.path, urlpath="" if path else found.urlpath)
    if not ref:
        return found
    if is_archive(found.provider):
        raise UserError(
            "launch.ref-not-understood",
            _(
                "An archive has versions instead of branches. Leave the field beside the address "
                "empty, and paste the DOI or the address of the version that you want."
            ),
        )
    candidates = dict(found.candidates())
    if found.ref and ref not in candidates:
        raise UserError(
            "launch.ref-not-understood",
            _(
                "The address says “%(found)s”, but the field beside it says “%(typed)s”. Remove "
                "one of the two."
            )
            % {"found": found.ref, "typed": ref},
        )
    path = path or candidates.get(ref, found.path)
    return replace(found, ref=ref, path=path, ambiguous_tail="")


def is_archive(provider: str) -> bool:
    """Return whether a provider keeps versions of files, and is no Git server."""
    return provider in archives.KEYS


def describe(repository: Repository) -> tuple[str, ...]:
    """Return how the text was understood, in a few words each, to show while a person types."""
    parts = [
        PROVIDERS[repository.provider].label,
        repository.repository,
        _described_ref(repository),
    ]
    if source := repository.content_source:
        files = _("files of %(repository)s") % {"repository": source.repository}
        parts += [files, _described_ref(source)]
    if opened := repository.path or repository.urlpath:
        parts.append(_("opens %(path)s") % {"path": opened})
    if is_private(repository.url) or (source and is_private(source.url)):
        parts.append(_("with your SSH key"))
    if repository.notice:
        parts.append(repository.notice)
    return tuple(parts)


def _described_ref(repository: Repository) -> str:
    ref = repository.ref
    if not ref:
        is_newest = repository.provider == "gist" or is_archive(repository.provider)
        return _("newest version") if is_newest else _("default branch")
    if _COMMIT.fullmatch(ref):
        return _("commit %(commit)s") % {"commit": ref[:10]}
    if request := _REQUEST.fullmatch(ref):
        number = {"number": request["number"]}
        is_merge = request["kind"] == "merge-requests"
        return (
            _("merge request %(number)s") if is_merge else _("pull request %(number)s")
        ) % number
    if _SHORT_COMMIT.fullmatch(ref):
        return _("branch, tag or commit %(ref)s") % {"ref": ref}
    return _("branch or tag %(ref)s") % {"ref": ref}
