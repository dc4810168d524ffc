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
from sessions.providers.address import Address, Git, egress_rules, parse_address, refuse
from sessions.providers.forges import Doi, GitHub, GitLab
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
    "PROVIDERS",
    "Provider",
    "Repository",
    "describe",
    "egress_rules",
    "is_private",
    "parse_repository",
]

_COMMIT = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")


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
    provider.key: provider for provider in (Doi(), GitHub(), GitLab(), Git())
}


def parse_repository(text: str, ref: str = "", path: str = "", provider: str = "") -> Repository:
    """Return the repository that a person means by the fields of a launch.

    ``provider`` is a key of `PROVIDERS`, or "" to go by the text. A typed ``ref`` and ``path`` win
    over those in the address. Raises UserError with a message that says how to write it.
    """
    text, ref, path = clean_repository(text), clean_ref(ref), clean_path(path)
    if has_invisible(text):
        refuse(
            _("The repository's address contains an invisible character. Type it again by hand.")
        )
    address = None if _is_doi(text) else parse_address(text)
    if re.search(r"\s", text):
        refuse(_("The repository's address contains a space. Remove it."))
    found = _provider(provider, text, address).parse(text, address)
    require_length(found.url)
    return _with_typed(found, ref, path)


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


def _is_doi(text: str) -> bool:
    """Return whether the text is a bare DOI, which looks like other addresses."""
    return PROVIDERS["doi"].claims(text, None)


def _with_typed(found: Repository, ref: str, path: str) -> Repository:
    """Return the repository at the ref and path that were typed beside its address."""
    if not ref:
        return replace(found, path=path or found.path)
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
    return replace(found, ref=ref, path=path or candidates.get(ref, ""), ambiguous_tail="")


def describe(repository: Repository) -> tuple[str, ...]:
    """Return how the text was understood, in a few words each, to show while a person types."""
    parts = [PROVIDERS[repository.provider].label, repository.repository]
    if _COMMIT.fullmatch(repository.ref):
        parts.append(_("commit %(commit)s") % {"commit": repository.ref[:10]})
    elif repository.ref:
        parts.append(_("branch or tag %(ref)s") % {"ref": repository.ref})
    else:
        parts.append(_("default branch"))
    if repository.path:
        parts.append(_("opens %(path)s") % {"path": repository.path})
    if is_private(repository.url):
        parts.append(_("with your SSH key"))
    return tuple(parts)
