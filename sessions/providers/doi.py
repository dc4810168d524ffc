"""Recognise digital object identifiers, to refuse them with a clear message."""

from __future__ import annotations

import re
from typing import NoReturn

from django.utils.translation import gettext as _

from sessions.errors import UserError
from sessions.providers.address import Address

_DOI = re.compile(r"(?:doi: *)?10\.[0-9]{4,9}/.+", re.IGNORECASE)
_RESOLVERS = frozenset({"doi.org", "dx.doi.org", "www.doi.org"})


class Doi:
    """Archives that give a repository a DOI."""

    key = "doi"
    label = "DOI"

    def claims(self, text: str, address: Address | None) -> bool:
        return bool(_DOI.fullmatch(text)) or (address is not None and address.host in _RESOLVERS)

    def understand(self, text: str, address: Address | None) -> NoReturn:
        raise UserError(
            "launch.doi-not-supported",
            _(
                "Repositories cannot be launched by their DOI yet. Open the DOI's page and paste"
                " the address of the Git repository that it names."
            ),
        )
