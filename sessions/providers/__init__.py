"""Parse what a person pastes into a `Repository`. Pure functions, without the network.

Each provider is a small class in a module of this package, listed in `PROVIDERS` in the order in
which they are asked whether a text is theirs. To add one, write its class and list it there.
Accepted text has passed `repository` and `address`; `sessions.git.resolve` finds the commit.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Protocol

from django.utils.translation import gettext as _

from sessions.errors import UserError
from sessions.providers.address import Address, egress_rules, parse_address, refuse
from sessions.providers.archives import Doi, is_identifier
from sessions.providers.binder import (
    LAB,
    REPO_PROVIDERS,
    Linkable,
    clean_urlpath,
    is_launch_link,
    launch_link,
    read_link,
    web_page,
)
from sessions.providers.forges import Gist, Git, GitHub, GitLab
from sessions.providers.pasted import unwrap
from sessions.providers.repository import (
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
    "REPO_PROVIDERS",
    "Linkable",
    "Provider",
    "Repository",
    "describe",
    "egress_rules",
    "is_private",
    "launch_link",
    "parse_launch_link",
    "parse_repository",
    "web_page",
]

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


PROVIDERS: dict[str, Provider] = {
    provider.key: provider for provider in (Doi(), GitHub(), GitLab(), Gist(), Git())
}


def parse_repository(
    text: str, ref: str = "", path: str = "", provider: str = "", *, urlpath: str = ""
) -> Repository:
    """Return the repository that a person means by the fields of a launch.

    ``provider`` is a key of `PROVIDERS`, or "" to go by the text. A typed ``ref``, ``path`` and
    ``urlpath`` (as in `Repository`) win over those in the address. Raises UserError with a message
    that says how to write it.
    """
    ref, path = clean_ref(ref), clean_path(path)
    pasted = unwrap(clean_repository(text))
    is_link = is_launch_link(pasted.address)
    found = parse_launch_link(pasted.address) if is_link else _named(pasted.address, provider)
    found = _with_typed(found, clean_ref(pasted.ref), clean_path(pasted.path))
    found = _with_typed(found, ref, path)
    return replace(found, path=path, urlpath=clean_urlpath(urlpath)) if urlpath else found


def parse_launch_link(text: str) -> Repository:
    """Return what a launch link, as in `binder`, names. Raises UserError."""
    require_length(text)
    link = read_link(text)
    named = clean_repository(link.repository)
    is_link = is_launch_link(named)
    found = parse_launch_link(named) if is_link else _named(named, link.provider)
    found = _with_typed(found, link.ref, "")
    return replace(found, path=link.path or found.path, urlpath=link.urlpath)


def _named(text: str, provider: str) -> Repository:
    """Return the repository that a text names by its address. Raises UserError."""
    if has_invisible(text):
        refuse(
            _("The repository's address contains an invisible character. Type it again by hand.")
        )
    address = None if is_identifier(text) else parse_address(text)
    if re.search(r"\s", text) and not is_identifier(text):
        refuse(_("The repository's address contains a space. Remove it."))
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


def describe(repository: Repository) -> tuple[str, ...]:
    """Return how the text was understood, in a few words each, to show while a person types."""
    parts = [
        PROVIDERS[repository.provider].label,
        repository.repository,
        _described_ref(repository),
    ]
    if opened := repository.path or repository.urlpath:
        parts.append(_("opens %(path)s") % {"path": opened})
    if is_private(repository.url):
        parts.append(_("with your SSH key"))
    if repository.notice:
        parts.append(repository.notice)
    return tuple(parts)


def _described_ref(repository: Repository) -> str:
    ref = repository.ref
    if not ref:
        return _("newest version") if repository.provider == "gist" else _("default branch")
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
